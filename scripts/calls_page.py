"""The page of a model's calls: measured figures as Markdown, and the curve of delay against false alarms as SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from calls_measures import BUDGETS, CUT_OFF_S, HELD_CUSUM, RATES
from stress_calls import Scenario

CURVE_COLOURS = {
    "voicepipe": "#0b7285",
    "three in a row": "#adb5bd",
    "EWMA": "#e8590c",
    "CUSUM": "#5f3dc4",
    HELD_CUSUM: "#b197fc",
}


def report(figures: Mapping[str, Any]) -> str:
    """Return all tables as Markdown."""
    first, made = figures["with the embedding"], figures["made with"]
    callers = ", ".join(f"{name} {count}" for name, count in first["callers"].items())
    intro = f"""# Calls: false reroutes, misses, delay

Printed by `scripts/evaluate_calls.py` (conditions {made["conditions"]}, seed {made["seed"]}, scale {made["scale"]:g}).
Calls are built from clips of acted corpora, so they say how the detector behaves on voices that the model has not
heard, not how often the callers of a real centre are stressed.

* {sum(first["callers"].values())} callers ({callers}). A caller has 8 to 130 clips, and long calls repeat them: more
  hours of the same callers are not more callers. The upper limits are over callers.
* {first["utterances_per_call_hour"]:.0f} utterances of the caller per call-hour; the caller speaks
  {100 * first["speech_share"]:.0f} % of the time. The median confidence of a score is {first["median_confidence"]:.2f}.
* Their moods explain {first["mood_share"]:.2f} of how a calm caller's scores scatter, by prosody alone
  {figures["prosody alone"]["mood_share"]:.2f}. The built calls draw moods at random, so they
  do not last; the level is set as if a mood held every other time.
* Delay counts from the first stressed utterance; a miss counts as infinite.
"""
    lines = [intro]
    for name in ("with the embedding", "prosody alone"):
        lines += _tables(name, figures[name])
    if figures["prompts"]:
        lines += _prompts(figures["prompts"])
    return "\n".join(lines) + "\n"


def _tables(name: str, figures: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## Score {name}",
        "",
        "Nominal against measured on calm calls (a third of them with one or two outbursts). What is missed, and the",
        "delay's median / 90th percentile in seconds of stressed speech; in seconds of the call:",
        "",
        "| budget per 100 h | measured | 95 % upper | calls with an alarm | callers with one | sets in | comes, goes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in figures["budgets"]:
        false = row["false_alarms"]
        lines.append(
            f"| {row['budget']:g} | {false['per_100_hours']:.2f} | {false['upper_95']:.1f} | "
            f"{false['calls_with_alarm']} of {false['calls']} ({false['hours']:.0f} h) | "
            f"{false['callers_with_alarm']} of {false['callers']} | "
            f"{_delay(row['sets_in'])} | {_delay(row['comes_and_goes'])} |"
        )
    lines += ["", "At the default budget, calls that should raise no alarm:", ""]
    lines += ["| calls | hours | false per 100 h | 95 % upper | calls with an alarm | callers with an alarm |"]
    lines += ["|---|---|---|---|---|---|"]
    for scenario, false in figures["scenarios"].items():
        lines.append(
            f"| {Scenario[scenario.upper()]} | {false['hours']:.0f} | {false['per_100_hours']:.2f} | "
            f"{false['upper_95']:.1f} | {false['calls_with_alarm']} of {false['calls']} | "
            f"{false['callers_with_alarm']} of {false['callers']} |"
        )
    lines += [
        "",
        "At matched false alarms (each detector's level set on these very calm calls; in brackets how many calls may",
        "alarm, so where it is 0 the one highest calm call sets the level): missed, delay. CUSUM's drift is set on",
        f'these calls, too, midway between calm and stressed scores, which favours it. "{HELD_CUSUM}" needs the',
        "least of stressed speech and of outbursts that our episodes need.",
        "",
    ]
    calm, quiet = figures["matched"]
    return [
        *lines,
        *_matched(calm),
        "The same where an alarm in a loud but happy call or a sad one counts as false, too:",
        "",
        *_matched(quiet),
    ]


def _matched(figures: Mapping[str, Any]) -> list[str]:
    rates = " | ".join(f"{row['rate']:g} per 100 h ({row['allowed']})" for row in figures["curves"]["voicepipe"])
    lines = []
    for scenario in (Scenario.SETS_IN, Scenario.COMES_AND_GOES):
        lines += [f"| {scenario} | {rates} |", "|---" * (len(RATES) + 1) + "|"]
        for detector, rows in figures["curves"].items():
            lines.append(f"| {detector} | " + " | ".join(_delay(row[scenario.name.lower()]) for row in rows) + " |")
        lines.append("")
    lines += [
        f"Mean seconds of stressed speech to the alarm, a miss counting as {CUT_OFF_S:.0f} s, in both kinds of calls:",
        "voicepipe's less the rival's (below 0: voicepipe is sooner), with the 95 % interval over callers:",
        "",
        f"| against | {rates} | mean of these |",
        "|---" * (len(RATES) + 2) + "|",
    ]
    for rival, rows in figures["differences"].items():
        cells = (f"{row['seconds']:+.1f} s ({row['low']:+.1f} to {row['high']:+.1f})" for row in rows)
        lines.append(f"| {rival} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _prompts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    budgets = " / ".join(f"{budget:g}" for budget in BUDGETS)
    alarms, highest = f"calls with an alarm at {budgets} per 100 h", f"highest log e; level at {BUDGETS[-1]:g}"
    return [
        "## Calm telephone prompts, never trained on",
        "",
        "Not acted emotions, but two speakers only: their prompts in random order, as calls, by the shipped model.",
        "",
        f"| prompts | scored | hours | scores over 0.5 | {alarms} | {highest} |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['prompts']} | {row['scored']} | {row['hours']:.1f} | {100 * row['over_half']:.0f} % | "
            f"{' / '.join(map(str, row['calls_with_alarm']))} of {row['calls']} | "
            f"{row['highest']:.1f}; {row['level']:.1f} |"
            for row in rows
        ),
        "",
    ]


def _delay(found: Mapping[str, Any]) -> str:
    def seconds(pair: Sequence[float]) -> str:
        return " / ".join("-" if np.isinf(value) else f"{value:.0f}" for value in pair)

    return f"{found['missed_pct']:.0f} %, {seconds(found['speech_s'])} s; {seconds(found['call_s'])} s"


def curve_svg(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw the median delay where stress sets in against the false alarms at which it is had."""
    width, height, left, bottom, right = 740, 376, 56, 44, 230
    top_s = 60.0
    low, high = np.log10(RATES[0]), np.log10(RATES[-1])

    def at(rate: float, delay_s: float) -> str:
        x = left + (np.log10(rate) - low) / (high - low) * (width - left - right)
        y = height - bottom - min(delay_s, top_s) / top_s * (height - bottom - 32)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="{height - 8}">false alarms per 100 calm call-hours</text>',
        '<text x="14" y="14">median delay, s of stressed speech (off the top: more than half are missed)</text>',
    ]
    for rate in RATES:
        x = at(rate, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - bottom + 16}" text-anchor="middle">{rate:g}</text>')
    for delay_s in (0, 15, 30, 45, 60):
        y = at(RATES[0], delay_s).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y}" y2="{y}" stroke="#dee2e6"/>')
        parts.append(f'<text x="{left - 8}" y="{y}" text-anchor="end" dominant-baseline="middle">{delay_s}</text>')
    for i, (name, rows) in enumerate(curves.items()):
        points = " ".join(at(row["rate"], row["sets_in"]["speech_s"][0]) for row in rows)
        colour = CURVE_COLOURS[name]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{width - right + 10}" y="{40 + 18 * i}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
