// The list of calls, fifty to a page.

const PAGE = 50;

const COLUMNS = [
  { name: "start", cell: (i) => el("td", { class: "nowrap when", title: moment(REPORT.calls.start[i]) }, shortMoment(REPORT.calls.start[i])) },
  { name: "id", cell: (i) => el("td", {}, el("a", { class: "call clip", title: REPORT.calls.call_id[i], href: hashOf({ view: "calls", call: REPORT.calls.call_id[i] }) }, REPORT.calls.call_id[i])) },
  { name: "agent", cell: (i) => el("td", { class: "lesser" }, el("span", { class: "clip" }, REPORT.calls.agent[i] || WORDS.none)) },
  { name: "queue", cell: (i) => el("td", { class: "lesser" }, el("span", { class: "clip" }, REPORT.calls.queue[i] || WORDS.none)) },
  { name: "language", cell: (i) => el("td", { class: "lesser" }, REPORT.calls.language[i] ? languageName(REPORT.calls.language[i]) : WORDS.none) },
  { name: "duration", number: true, cell: (i) => el("td", { class: "num" }, clock(REPORT.calls.duration_s[i])) },
  { name: "peak", cell: (i) => el("td", { class: "nowrap lesser" }, meter(REPORT.calls.stress_peak[i]), two(REPORT.calls.stress_peak[i])) },
  { name: "course", cell: (i) => el("td", { class: "lesser" }, spark(REPORT.calls.spark[i])) },
  { name: "shift", number: true, cell: (i) => el("td", { class: "num lesser" }, signed(REPORT.calls.stress_shift[i])) },
  { name: "csi", number: true, cell: (i) => el("td", { class: "num lesser" }, known(REPORT.calls.csi[i]) ? String(Math.round(REPORT.calls.csi[i])) : WORDS.none) },
  { name: "tags", cell: (i) => el("td", { class: "tags" }, tagsOf(i)) },
];

function meter(stress) {
  const inner = el("i", { class: known(stress) ? level(stress) : null });
  inner.style.width = `${Math.round(100 * (stress || 0))}%`;
  return el("span", { class: "meter", "aria-hidden": "true" }, inner);
}

function tagsOf(i) {
  const { calls } = REPORT;
  const tags = [];
  if (calls.alert[i]) tags.push(el("span", { class: "tag alert" }, WORDS.calls.alerts(Math.max(1, calls.episodes[i] || 0))));
  if (calls.human[i]) tags.push(el("span", { class: "tag human" }, WORDS.askedTag[calls.human[i]] || calls.human[i]));
  if (calls.error[i]) tags.push(el("span", { class: "tag", title: calls.error[i] }, WORDS.calls.incomplete));
  return tags.flatMap((tag) => [tag, " "]);
}

function drawCalls(list) {
  if (!REPORT.n) return [panel("", WORDS.tabs.calls, null, empty(WORDS.calls.nothing, WORDS.calls.nothingDetail))];
  if (!list.length) return [panel("", WORDS.tabs.calls, null, empty(WORDS.calls.empty, WORDS.calls.emptyDetail))];
  const order = ordered(list);
  const pages = Math.ceil(order.length / PAGE);
  const page = Math.min(pages, Math.max(1, Number(state.page) || 1));
  const shown = order.slice((page - 1) * PAGE, page * PAGE);
  const [sorted, backwards] = state.sort.startsWith("-") ? [state.sort.slice(1), true] : [state.sort, false];
  const heads = COLUMNS.map(({ name, number: numeric }) => {
    const words = WORDS.calls.columns[name];
    if (!SORTS[name]) return el("th", { scope: "col" }, words);
    const descends = name !== "id" && !["agent", "queue", "language", "csi"].includes(name);
    const now = sorted === name;
    const next = now ? (backwards ? "rank" : `-${name}`) : name;
    return el("th", { scope: "col", class: numeric ? "num" : null, "aria-sort": now ? (descends !== backwards ? "descending" : "ascending") : null }, el("button", { onclick: () => go({ sort: next, page: "1" }, { replace: true }) }, words, now ? (descends !== backwards ? " ↓" : " ↑") : ""));
  });
  const rows = shown.map((i) => {
    const row = el("tr", { class: "go" }, COLUMNS.map((column) => column.cell(i)));
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a")) go({ call: REPORT.calls.call_id[i] });
    });
    return row;
  });
  const turn = (to, words) => el("button", { class: "quiet", disabled: to < 1 || to > pages, onclick: () => { go({ page: String(to) }); scrollTo(0, 0); } }, words);
  return [
    el(
      "section",
      { class: "panel long" },
      el("div", { class: "scroll" }, el("table", { class: "calls" }, el("caption", { class: "away" }, WORDS.calls.caption), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows))),
      el("nav", { class: "pager", "aria-label": WORDS.calls.pages }, el("span", {}, WORDS.calls.page((page - 1) * PAGE + 1, (page - 1) * PAGE + shown.length, order.length)), turn(page - 1, WORDS.calls.previous), turn(page + 1, WORDS.calls.next)),
    ),
  ];
}
