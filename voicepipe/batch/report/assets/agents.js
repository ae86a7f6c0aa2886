// Scorecards: what words and turn-taking say of agents, with numbers of calls and intervals.

const openAgents = new Set();

const SCORES = [
  { name: "stress_shift", key: "shift", show: signed },
  { name: "warmth", show: (x) => String(Math.round(x)) },
  { name: "agent_talk_ratio", key: "talk_ratio", show: percent },
  { name: "agent_cut_in", key: "agent_interruptions", show: number },
  { name: "agent_latency_median_s", key: "agent_latency_s", show: seconds },
  { name: "agent_silence_s", show: seconds },
];

function drawAgents(list) {
  const groups = groupsOf(list, "agent");
  if (!groups.length) return [panel("c12", WORDS.agents.title, WORDS.agents.note, REPORT.n && !list.length ? empty(WORDS.calls.empty, WORDS.calls.emptyDetail) : empty(WORDS.agents.none, WORDS.agents.noneDetail))];
  const enough = groups.filter(([, members]) => members.length >= REPORT.few);
  const few = groups.filter(([, members]) => members.length < REPORT.few);
  const all = alertsIn(list) / list.length;
  const top = Math.min(1, Math.max(0.04, ...enough.map(([, members]) => wilson(alertsIn(members), members.length)[1])));
  const names = WORDS.agents.columns;
  const scores = SCORES.filter((score) => list.some((i) => known(REPORT.calls[score.name][i])));
  const width = 4 + scores.length;
  return [
    panel(
      "c12 long",
      WORDS.agents.title,
      WORDS.agents.note,
      el("p", { class: "soft" }, WORDS.agents.fair, " ", few.length ? WORDS.agents.few(REPORT.few) : null),
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": WORDS.agents.title },
        el(
          "table",
          { class: "agents" },
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, names.agent), el("th", { scope: "col", class: "num" }, names.n), el("th", { scope: "col", class: "num" }, names.hours), el("th", { scope: "col" }, names.alerts), scores.map((score) => el("th", { scope: "col", class: "num" }, names[score.key || score.name])))),
          el("tbody", {}, enough.flatMap(([agent, members]) => agentRows(agent, members, { scores, all, top, width })), few.map(([agent, members]) => fewRow(agent, members, width))),
        ),
      ),
    ),
  ];
}

function agentHead(agent, members) {
  const audio = members.reduce((sum, i) => sum + (REPORT.calls.duration_s[i] || 0), 0);
  return [el("td", { class: "num" }, count(members.length)), el("td", { class: "num" }, audio < 3600 ? two(audio / 3600) : number(audio / 3600))];
}

function fewRow(agent, members, width) {
  return el("tr", { class: "few" }, el("td", { class: "any" }, agent), agentHead(agent, members), el("td", { colspan: String(width - 3) }, WORDS.agents.fewCell));
}

function agentRows(agent, members, { scores, all, top, width }) {
  const k = alertsIn(members);
  const [low, high] = wilson(k, members.length);
  const cells = scores.map((score) => {
    const values = valuesOf(members, score.name);
    if (values.length < REPORT.few) return el("td", { class: "num faint" }, WORDS.groups.fewRow);
    const [a, b] = meanInterval(values);
    return el("td", { class: "num" }, score.show(mean(values)), el("br"), el("span", { class: "interval" }, `${score.show(a)} … ${score.show(b)}`));
  });
  const open = openAgents.has(agent);
  const button = el("button", { class: "link", "aria-expanded": String(open), "aria-label": WORDS.agents.open(agent) }, agent);
  const more = el("tr", { class: "more" });
  const toggle = () => {
    const now = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(now));
    if (now) openAgents.add(agent);
    else openAgents.delete(agent);
    more.hidden = !now;
    more.replaceChildren(...(now ? [el("td", { colspan: String(width) }, agentCard(agent, members))] : []));
  };
  button.addEventListener("click", toggle);
  more.hidden = !open;
  if (open) more.append(el("td", { colspan: String(width) }, agentCard(agent, members)));
  const share = el("td", { class: "nowrap" }, `${percent(k / members.length)} `, whisker(k / members.length, low, high, { from: 0, to: top, all }), el("br"), el("span", { class: "interval" }, `${percent(low)} … ${percent(high)}`));
  return [el("tr", {}, el("td", { class: "any" }, button), agentHead(agent, members), share, cells), more];
}

function agentCard(agent, members) {
  const items = Object.entries(WORDS.warmth)
    .map(([name, words]) => [words, REPORT.calls[`warmth_${name}`] ? valuesOf(members, `warmth_${name}`) : []])
    .filter(([, values]) => values.length);
  const rows = items.map(([words, values]) => {
    const [low, high] = meanInterval(values);
    const value = values.length < REPORT.few ? WORDS.groups.fewRow : `${percent(mean(values))}  (${percent(Math.max(0, low))} … ${percent(Math.min(1, high))})`;
    return [el("dt", {}, words), el("dd", {}, value)];
  });
  return el(
    "div",
    { class: "grid" },
    rows.length ? el("section", { class: "c5" }, el("h3", {}, WORDS.agents.items), el("dl", { class: "pairs" }, rows)) : null,
    el("section", { class: "c7 listen" }, el("h3", {}, WORDS.agents.listen), el("ol", {}, listenItems(members, 4)), el("p", {}, el("a", { href: hashOf({ view: "calls", agent, page: "1" }) }, WORDS.agents.see(members.length)))),
  );
}
