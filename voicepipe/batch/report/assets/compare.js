// Two runs over the same recordings: what flipped, by how much, and which settings differ.

let parts = null;
let shown = { kind: "", q: "", page: 1 };

begin(async (root, choose) => {
  const { meta, pairs } = await unpack("index");
  Object.assign(REPORT, meta, { pairs, n: pairs.call_id.length });
  const given = new URLSearchParams(location.hash.slice(1));
  shown = { kind: given.get("kind") || "", q: given.get("q") || "", page: Number(given.get("page")) || 1 };
  const main = el("main", { id: "main", class: "wide compare", tabindex: "-1" });
  root.replaceChildren(el("header", { class: "top" }, pageHead(WORDS.compareTitle, `${WORDS.compare.a}: ${meta.a.name} · ${WORDS.compare.b}: ${meta.b.name}`, choose)), main);
  document.title = `${WORDS.compareTitle} · ${WORDS.product}`;
  parts = { main, list: el("div") };
  drawAll();
});

function keep(changes) {
  shown = { ...shown, ...changes };
  const parameters = new URLSearchParams();
  if (shown.kind) parameters.set("kind", shown.kind);
  if (shown.q) parameters.set("q", shown.q);
  if (shown.page > 1) parameters.set("page", String(shown.page));
  history.replaceState(null, "", `#${parameters}`);
  drawFlips();
}

const flippedTo = (kind) => REPORT.pairs.kinds.filter((kinds) => kinds.includes(kind)).length;

function drawAll() {
  const { pairs, n } = REPORT;
  const t = WORDS.compare;
  const moves = [];
  for (let i = 0; i < n; i += 1) if (known(pairs.a_peak[i]) && known(pairs.b_peak[i])) moves.push(pairs.b_peak[i] - pairs.a_peak[i]);
  const requests = flippedTo("human_appeared") + flippedTo("human_gone");
  const tileOf = (name, value, detail) => el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value), el("p", {}, detail));
  const tilesOf = el(
    "dl",
    { class: "tiles" },
    tileOf(t.matched, count(n), t.only(REPORT.only_a.length, REPORT.only_b.length)),
    tileOf(t.appeared, count(flippedTo("alert_appeared")), t.appearedDetail),
    tileOf(t.gone, count(flippedTo("alert_gone")), t.goneDetail),
    tileOf(t.requests, count(requests), t.requestsDetail),
    tileOf(t.moved, signed(moves.length ? mean(moves) : NaN), t.movedCalls(moves.length)),
  );
  const only = [["onlyA", REPORT.only_a], ["onlyB", REPORT.only_b]].filter(([, ids]) => ids.length);
  parts.main.replaceChildren(
    el(
      "div",
      { class: "grid" },
      tilesOf,
      el("div", { class: "stack c8" }, panel("long", t.flips, null, n ? parts.list : empty(t.nomatch, t.nomatchDetail)), n ? movesPanel() : null),
      el("div", { class: "stack c4" }, settingsPanel(), n ? scatterPanel() : null, moves.length ? shiftPanel() : null, only.map(([name, ids]) => panel("", t[name], count(ids.length), el("p", { class: "soft any" }, ids.slice(0, 40).join(", "), ids.length > 40 ? " …" : "")))),
    ),
  );
  if (n) drawFlips();
}

function settingsPanel() {
  const t = WORDS.compare;
  if (!REPORT.differs.length) return panel("", t.settings, null, el("p", { class: "soft" }, t.settingsNone));
  return panel(
    "",
    t.settings,
    null,
    el("div", { class: "scroll" }, el("table", { class: "differs" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t.setting), el("th", { scope: "col" }, "A"), el("th", { scope: "col" }, "B"))), el("tbody", {}, REPORT.differs.map(([name, a, b]) => el("tr", {}, el("td", { class: "any" }, name), el("td", { class: "any" }, el("code", {}, a)), el("td", { class: "any" }, el("code", {}, b))))))),
  );
}

function scatterPanel() {
  const { pairs } = REPORT;
  const dots = pairs.call_id
    .map((id, i) => ({ x: pairs.a_peak[i], y: pairs.b_peak[i], strong: pairs.kinds[i].length > 0, title: `${id}: ${two(pairs.a_peak[i])} → ${two(pairs.b_peak[i])}` }))
    .filter((dot) => known(dot.x) && known(dot.y))
    .sort((a, b) => a.strong - b.strong || Math.abs(b.x - b.y) - Math.abs(a.x - a.y));
  const few = [...dots.filter((dot) => !dot.strong).slice(0, 1500), ...dots.filter((dot) => dot.strong)];
  return panel("", WORDS.compare.scatter, null, scatter(WORDS.compare.scatter, few, { from: 0, to: 1, xLabel: WORDS.compare.a, yLabel: WORDS.compare.b, show: (x) => x.toFixed(2) }), el("p", { class: "faint" }, WORDS.compare.scatterNote));
}

function shiftPanel() {
  const { pairs, n } = REPORT;
  const bins = Array.from({ length: 21 }, (_, i) => ({ n: 0, k: 0, from: -1.05 + i * 0.1, label: i === 10 ? "0" : (i < 10 ? "−" : "+") + Math.abs(-1 + i * 0.1).toFixed(1) }));
  let known_ = 0;
  for (let i = 0; i < n; i += 1) {
    if (!known(pairs.a_peak[i]) || !known(pairs.b_peak[i])) continue;
    known_ += 1;
    const bin = bins[Math.min(20, Math.max(0, Math.floor((pairs.b_peak[i] - pairs.a_peak[i] + 1.05) * 10)))];
    bin.n += 1;
    if (pairs.kinds[i].length) bin.k += 1;
  }
  return panel("", WORDS.compare.shift, null, columns(WORDS.compare.shift, bins, { tickEvery: 5, title: (bin) => WORDS.spread.bar(signed(bin.from), signed(bin.from + 0.1), bin.k, bin.n) }), el("p", { class: "faint" }, WORDS.compare.shiftNote(known_)));
}

const LINES = 50;
const change = (i) => (known(REPORT.pairs.a_peak[i]) && known(REPORT.pairs.b_peak[i]) ? REPORT.pairs.b_peak[i] - REPORT.pairs.a_peak[i] : 0);

function callsTable(name, rows, flipped) {
  const { pairs } = REPORT;
  const t = WORDS.compare;
  const link = (side, i) => (REPORT[side].report ? el("a", { class: "quiet", href: `${REPORT[side].report}#view=calls&call=${encodeURIComponent(pairs[`${side}_id`][i])}` }, t[side === "a" ? "openA" : "openB"]) : null);
  const heads = ["call", "agent", flipped ? "what" : null, "a", "b", "change", "open"].filter(Boolean);
  const tag = (kind) => [el("span", { class: `tag ${kind === "alert_appeared" ? "alert" : kind.startsWith("human") ? "human" : ""}` }, t.kinds[kind]), " "];
  return el(
    "table",
    { class: name },
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col", class: ["a", "b", "change"].includes(head) ? "num" : null }, t.columns[head])))),
    el(
      "tbody",
      {},
      rows.map((i) =>
        el(
          "tr",
          {},
          el("td", {}, el("span", { class: "clip", title: pairs.call_id[i] }, pairs.call_id[i])),
          el("td", { class: "any" }, [pairs.agent[i], pairs.queue[i]].filter(Boolean).join(", ") || WORDS.none),
          flipped ? el("td", {}, pairs.kinds[i].map(tag)) : null,
          el("td", { class: "num" }, two(pairs.a_peak[i])),
          el("td", { class: "num" }, two(pairs.b_peak[i])),
          el("td", { class: `num ${change(i) > 0.05 ? "up" : change(i) < -0.05 ? "down" : ""}` }, signed(change(i))),
          el("td", { class: "nowrap" }, link("a", i), " ", link("b", i)),
        ),
      ),
    ),
  );
}

function movesPanel() {
  const { pairs, n } = REPORT;
  const rows = Array.from({ length: n }, (_, i) => i).filter((i) => !pairs.kinds[i].length && Math.abs(change(i)) >= 0.05);
  rows.sort((a, b) => Math.abs(change(b)) - Math.abs(change(a)) || a - b);
  return rows.length ? panel("long", WORDS.compare.moves, WORDS.compare.movesNote, el("div", { class: "scroll" }, callsTable("moves", rows.slice(0, 12), false))) : null;
}

function drawFlips() {
  const { pairs, n } = REPORT;
  const t = WORDS.compare;
  const wanted = shown.q.toLowerCase();
  const rows = [];
  for (let i = 0; i < n; i += 1) {
    if (shown.kind ? !pairs.kinds[i].includes(shown.kind) : !pairs.kinds[i].length && !wanted) continue;
    if (wanted && ![pairs.call_id[i], pairs.agent[i], pairs.queue[i]].some((x) => x && x.toLowerCase().includes(wanted))) continue;
    rows.push(i);
  }
  rows.sort((a, b) => pairs.kinds[b].length - pairs.kinds[a].length || Math.abs(change(b)) - Math.abs(change(a)) || a - b);
  const pages = Math.max(1, Math.ceil(rows.length / LINES));
  const page = Math.min(shown.page, pages);
  const select = el("select", { "aria-label": t.filter, name: "kind" }, el("option", { value: "" }, t.all), Object.entries(t.kinds).map(([kind, words]) => el("option", { value: kind, selected: shown.kind === kind }, `${words} (${flippedTo(kind)})`)));
  select.addEventListener("change", () => keep({ kind: select.value, page: 1 }));
  const input = el("input", { type: "search", name: "q", "aria-label": t.search, placeholder: t.search, value: shown.q });
  input.addEventListener("change", () => keep({ q: input.value.trim(), page: 1 }));
  const table = callsTable("flips", rows.slice((page - 1) * LINES, page * LINES), true);
  const turn = (to, words) => el("button", { class: "quiet", disabled: to < 1 || to > pages, onclick: () => keep({ page: to }) }, words);
  parts.list.replaceChildren(
    el("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, select, input),
    rows.length ? el("div", { class: "scroll" }, table) : empty(t.same, t.sameDetail),
    rows.length > LINES ? el("nav", { class: "pager", "aria-label": WORDS.calls.pages }, el("span", {}, WORDS.calls.page((page - 1) * LINES + 1, Math.min(rows.length, page * LINES), rows.length)), turn(page - 1, WORDS.calls.previous), turn(page + 1, WORDS.calls.next)) : "",
  );
}
