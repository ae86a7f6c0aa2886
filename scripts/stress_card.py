"""The stress model's card: measured figures as Markdown, JSON and a reliability plot."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voicepipe.stress.profile import read_manifest

EARLY, OWN = "population baseline", "own baseline"


def write_card(model: Path, figures: Mapping[str, Any]) -> None:
    """Write card.md, card.json and reliability.svg into a model's folder."""
    (model / "card.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (model / "reliability.svg").write_text(_plot(figures["calibration_error"]), encoding="utf-8")
    (model / "card.md").write_text(_card(model, figures), encoding="utf-8")


def goals(figures: Mapping[str, Any]) -> list[tuple[str, str, float, bool]]:
    """Return each goal: what is measured, the goal, the figure, and whether it was reached."""
    auc = figures["stress_auc"][OWN]
    corpora = {name: value for name, value in auc.items() if name != "pooled"}
    worst = min(corpora, key=corpora.__getitem__)
    recall = figures["emotion_recall"]
    gender = {name: value for name, value in figures["by_gender"].items() if name in {"male", "female"}}
    lines = figures["lines"]
    out = []
    if "ravdess" in recall[EARLY]:
        out += [
            (
                "RAVDESS, 8 emotions, unweighted recall, no speaker normalisation",
                ">= 0.72",
                recall[EARLY]["ravdess"],
                recall[EARLY]["ravdess"] >= 0.72,
            ),
            (
                "RAVDESS, 8 emotions, unweighted recall, own baseline",
                ">= 0.80",
                recall[OWN]["ravdess"],
                recall[OWN]["ravdess"] >= 0.80,
            ),
        ]
    loco = figures["leave_one_corpus_out"][OWN]["mean"]
    out += [
        ("Stress AUC, pooled, own baseline", ">= 0.92", auc["pooled"], auc["pooled"] >= 0.92),
        (f"Stress AUC, worst corpus ({worst}), own baseline", ">= 0.85", corpora[worst], corpora[worst] >= 0.85),
        ("Stress AUC, mean of leave-one-corpus-out, own baseline", ">= 0.85", loco, loco >= 0.85),
    ]
    for name in (EARLY, OWN):
        error = figures["calibration_error"][name]["error"]
        out.append((f"Expected calibration error, {name}", "<= 0.05", error, error <= 0.05))
    if len(gender) == 2:
        gap = round(abs(gender["male"] - gender["female"]), 4)
        out.append(("Gap of AUC between genders", "<= 0.05", gap, gap <= 0.05))
    if "pcm" in lines:
        cost = round(lines["pcm"]["auc"] - lines["mulaw"]["auc"], 4)
        out.append(("What mu-law costs in AUC", "<= 0.02", cost, cost <= 0.02))
    return out


def _card(model: Path, figures: Mapping[str, Any]) -> str:
    manifest = read_manifest(model)
    auc, loco = figures["stress_auc"], figures["leave_one_corpus_out"]
    reached = goals(figures)
    over_half = ", ".join(f"{name} {100 * share:.0f} %" for name, share in figures["over_half_by_emotion"].items())
    hits, errors = figures["hits_at_5_pct_false"], figures["calibration_error"]
    intervals = figures["stress_auc_interval"]
    arousal = ", ".join(f"{name} {value:.2f}" for name, value in figures["arousal_correlation"].items())
    missed = [what for what, _, _, met in reached if not met]
    parts = [
        f"# {manifest.model_id}",
        "",
        f"**Licence of the weights: {manifest.licence}.**",
        "",
        "Scores one utterance of a caller over the telephone: P(stress) (anger, fear, frustration, distress), arousal,",
        f"valence, eight emotions. Inputs: prosody version {manifest.prosody_version}, embedding version",
        f"{manifest.embedding_version} (of the first encoder layers of Whisper `{manifest.whisper}`), and both",
        "against the caller's own baseline.",
        f"Trained on {', '.join(manifest.corpora)}.",
        "Every figure here was printed by `scripts/evaluate_stress.py`; `card.json` holds them all.",
        "",
        "Speakers of a test fold are in no training fold. 8 kHz mu-law unless a row says otherwise. A *population",
        "baseline* is a caller's first utterance; an *own baseline* has heard up to 30 other clips of the same",
        "speaker, whatever their emotion, each weighted by the model's own score. Disgust and surprise are neither",
        "stressed nor unstressed.",
        "The encoder's layers, the heads, their penalties and their shares were chosen by looking at speaker folds of",
        "another seed and at leave-one-corpus-out; the folds reported here are drawn anew, but from the same speakers,",
        "so the figures are slightly optimistic.",
        "",
        "## Goals",
        "",
        _table(
            ["what", "goal", "measured", "reached"],
            [[a, b, f"{c:.3f}", "yes" if d else "**no**"] for a, b, c, d in reached],
        ),
        "## Where it fails",
        "",
        *(f"* Goal missed: {what}." for what in missed),
        "* Emotions are acted and the corpora few. On a corpus that it has not heard, AUC falls to",
        f"  {loco[OWN]['mean']:.3f} on average; expect that on your calls until `voicepipe calibrate` says otherwise.",
        "* Without the embedding (overload) it is far weaker: pooled AUC",
        f"  {auc['own baseline, prosody alone']['pooled']:.3f} instead of {auc[OWN]['pooled']:.3f}.",
        f"* {100 * figures['calm_over_half'][OWN]:.0f} % of unstressed utterances score over 0.5: probabilities are",
        "  calibrated to as much stressed as unstressed speech, and calls hold far more of the latter. The episode",
        "  detector decides, not one score.",
        f"* By emotion, the share that scores over 0.5 (population baseline): {over_half}.",
        *(
            f"* Calm recordings that it was never trained on ({name}) score over 0.5 in "
            f"{100 * v['over_half_own_baseline']:.0f} % of utterances."
            for name, v in figures["prompts"].items()
        ),
        "* Frustration as callers show it, in long spontaneous speech, is in none of the corpora.",
        "",
        "## Stress: area under the ROC curve",
        "",
        _groups(auc),
        f"95 % interval of the pooled figure over speakers: {intervals[EARLY]} (population baseline), {intervals[OWN]}",
        "(own baseline).",
        "",
        f"At 5 % false alarms among unstressed utterances, {100 * hits[EARLY]:.1f} % of stressed ones are found",
        f"against the population's baseline and {100 * hits[OWN]:.1f} % against the caller's own.",
        "",
        "Without the whole corpus in training:",
        "",
        _groups(loco),
        "## By gender and language (AUC, own baseline)",
        "",
        _groups({"gender": figures["by_gender"]}),
        _groups({"language": figures["by_language"]}),
        "## Emotions: unweighted average recall, clip by clip",
        "",
        _groups(figures["emotion_recall"]),
        f"Arousal, correlation with the label's: {arousal}.",
        "",
        "## Calibration",
        "",
        "Expected calibration error (ten bins, stressed and unstressed alike within each corpus):",
        f"{errors[EARLY]['error']:.3f} (population baseline), {errors[OWN]['error']:.3f} (own baseline).",
        "",
        "![reliability](reliability.svg)",
        "",
        "## What the line costs (AUC, population baseline, the same sample of clips)",
        "",
        _table(
            ["line", "AUC", "cost against mu-law"],
            [[name, f"{v['auc']:.3f}", f"{v['cost']:+.3f}"] for name, v in figures["lines"].items()],
        ),
        "G.729 is not measured: nothing that is freely packaged encodes it.",
        "",
    ]
    if figures["prompts"]:
        parts += [
            "## Calm telephone prompts, never trained on",
            "",
            _table(
                ["recordings", "utterances", "over 0.5, population baseline", "over 0.5, own baseline"],
                [
                    [
                        name,
                        str(v["utterances"]),
                        f"{100 * v['over_half_population_baseline']:.0f} %",
                        f"{100 * v['over_half_own_baseline']:.0f} %",
                    ]
                    for name, v in figures["prompts"].items()
                ],
            ),
        ]
    parts += [
        f"Of {figures['clips']} clips, {figures['clips_without_speech']} gave no utterance (too little speech for the",
        "segmenter) and are not scored.",
        "",
    ]
    return "\n".join(parts)


def _groups(rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for values in rows.values() for name in values))
    return _table(
        ["", *names],
        [[row, *(f"{values[name]:.3f}" if name in values else "" for name in names)] for row, values in rows.items()],
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def _plot(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw said against true probability, one line for each kind of baseline; 320 by 320 pixels."""
    colours = dict(zip(curves, ("#888888", "#c0392b"), strict=False))

    def at(x: float, y: float) -> str:
        return f"{40 + 240 * x:.1f},{280 - 240 * y:.1f}"

    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="330" font-family="sans-serif" font-size="11">',
        '<rect width="320" height="330" fill="white"/>',
        '<rect x="40" y="40" width="240" height="240" fill="none" stroke="#cccccc"/>',
        f'<polyline points="{at(0, 0)} {at(1, 1)}" fill="none" stroke="#cccccc"/>',
        '<text x="160" y="300" text-anchor="middle">stress score</text>',
        '<text x="14" y="160" text-anchor="middle" transform="rotate(-90 14 160)">share that was stressed</text>',
    ]
    for i, (name, curve) in enumerate(curves.items()):
        points = " ".join(at(said, was) for said, was, _ in curve["curve"])
        stroke = colours[name]
        out.append(f'<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="2"/>')
        out.append(f'<text x="48" y="{56 + 14 * i}" fill="{stroke}">{name}: error {curve["error"]:.3f}</text>')
    return "\n".join([*out, "</svg>", ""])
