// One call drawn in time: the caller's stress above, the agent's talk below. The agent's lane has one height and one colour.

// Whose line it is: 0 is the caller.
const AGENT = 1;
const MIXED = 2;

/** Stretches of more than `longer` seconds in which nobody speaks. */
function silencesOf(lines, longer = 3) {
  const silences = [];
  let end = null;
  for (const [, start, stop] of lines) {
    if (end !== null && start - end > longer) silences.push([end, start]);
    end = end === null ? stop : Math.max(end, stop);
  }
  return silences;
}

const persisted = (episode) => episode.reasons.includes("stress_persisted");

/** What an alert was raised for, and when. */
function episodeTitle(episode) {
  if (!persisted(episode)) return WORDS.call.request(clock(episode.at_s));
  return WORDS.call.episode(clock(episode.opened_s), known(episode.closed_s) ? clock(episode.closed_s) : "");
}

function timeline(lines, episodes, duration, onSeek) {
  const mixed = lines.some(([who]) => who === MIXED);
  const height = mixed ? 120 : 150;
  const [top, base] = [24, 98];
  const lane = base + 22;
  let gutter = 0;
  let head = null;
  let x = (t) => t;
  let now = 0;
  const figure = chart(
    WORDS.call.timeline(episodes.length),
    (root, width) => {
      gutter = width > 600 ? 76 : 0;
      x = scale(0, Math.max(duration, 0.1), gutter, width);
      const y = scale(0, 1, base, top);
      for (const episode of episodes) {
        const to = x(known(episode.closed_s) ? episode.closed_s : duration);
        root.append(
          svg(
            "g",
            {},
            svg("title", {}, episodeTitle(episode)),
            persisted(episode) ? svg("rect", { x: x(episode.opened_s), y: 14, width: Math.max(2, to - x(episode.opened_s)), height: height - 32, class: "episode" }) : null,
            persisted(episode) ? svg("line", { x1: x(episode.opened_s), x2: Math.max(to, x(episode.opened_s) + 2), y1: 14, y2: 14, class: "episode-edge" }) : null,
            svg("line", { x1: x(episode.at_s), x2: x(episode.at_s), y1: 11, y2: base, class: "episode-edge" }),
            text(x(episode.at_s), 9, "▲", { "text-anchor": "middle", class: "edge-mark" }),
          ),
        );
      }
      root.append(svg("line", { x1: gutter, x2: width, y1: base, y2: base, class: "axis base" }));
      root.append(svg("line", { x1: gutter, x2: width, y1: y(REPORT.high), y2: y(REPORT.high), class: "threshold" }));
      for (const [from, to] of silencesOf(lines)) root.append(svg("line", { x1: x(from) + 2, x2: x(to) - 2, y1: base + 9, y2: base + 9, class: "u-silence" }, svg("title", {}, WORDS.call.silence(to - from))));
      for (const line of lines) {
        const [who, start, end, words, , stress, , , human] = line;
        const wide = Math.max(1, x(end) - x(start) - 0.5);
        const title = svg("title", {}, `${clock(start)} ${words ? words.slice(0, 160) : ""}${known(stress) ? ` (${two(stress)})` : ""}`);
        if (who === AGENT) root.append(svg("rect", { x: x(start), y: lane - 6, width: wide, height: 12, rx: 2, class: "u-agent" }, title));
        else if (known(stress)) root.append(svg("rect", { x: x(start), y: y(stress), width: wide, height: Math.max(1.5, base - y(stress)), rx: 1.5, class: `u-${level(stress)}` }, title));
        else root.append(svg("rect", { x: x(start), y: base - 4, width: wide, height: 4, class: "u-none" }, title));
        if (human) root.append(svg("path", { d: `M${x(start)} ${base} v-${base - top + 4} h9 l-3 4 l3 4 h-8`, class: "flag" }, svg("title", {}, WORDS.asked[human] || human)));
      }
      if (gutter) {
        root.append(text(0, (top + base) / 2, mixed ? WORDS.call.mixed : WORDS.call.caller, { class: "lane-label" }), text(0, (top + base) / 2 + 14, WORDS.call.stress));
        if (!mixed) root.append(text(0, lane + 4, WORDS.call.agentSide, { class: "lane-label" }));
      }
      root.append(text(width, y(REPORT.high) - 3, WORDS.call.high, { "text-anchor": "end" }));
      const step = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].find((s) => (width / Math.max(duration, 1)) * s >= 64) || 14400;
      for (let t = step; t < duration; t += step) root.append(svg("line", { x1: x(t), x2: x(t), y1: base, y2: base + 4, class: "axis base" }), text(x(t), height - 3, clock(t), { "text-anchor": "middle" }));
      head = svg("line", { x1: x(now), x2: x(now), y1: 6, y2: height - 16, class: "playhead" });
      root.append(head);
    },
    { height },
  );
  figure.classList.add("lanes");
  figure.addEventListener("click", (event) => {
    const box = figure.getBoundingClientRect();
    onSeek(Math.min(duration, Math.max(0, ((event.clientX - box.left - gutter) / (box.width - gutter)) * duration)));
  });
  return {
    figure,
    moveTo(t) {
      now = t;
      if (!head) return;
      head.setAttribute("x1", x(t));
      head.setAttribute("x2", x(t));
    },
  };
}
