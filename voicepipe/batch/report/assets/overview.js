// The overview: how many, how often, when and where, and which calls to hear first.

const alertsIn = (list) => list.reduce((k, i) => k + (REPORT.calls.alert[i] ? 1 : 0), 0);
const valuesOf = (list, name) => list.map((i) => REPORT.calls[name][i]).filter(known);

function drawOverview(list) {
  if (!REPORT.n) return [panel("c12", WORDS.title, null, empty(WORDS.calls.nothing, WORDS.calls.nothingDetail))];
  if (!list.length) return [panel("c12", WORDS.title, null, empty(WORDS.calls.empty, WORDS.calls.emptyDetail))];
  return [
    el(
      "div",
      { class: "grid" },
      tiles(list),
      el("div", { class: "stack c7" }, listenPanel(list), spreadPanel(list)),
      el("div", { class: "stack c5" }, trendPanel(list), groupPanel(list, "queue"), groupPanel(list, "language"), hoursPanel(list), groupPanel(list, "agent")),
    ),
  ];
}

function tile(name, value, small, ...details) {
  return el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value, small ? [" ", el("small", {}, small)] : null), details.filter(Boolean).map((detail) => el("p", {}, detail)));
}

function tiles(list) {
  const { calls } = REPORT;
  const audio = list.reduce((sum, i) => sum + (calls.duration_s[i] || 0), 0);
  const k = alertsIn(list);
  const [low, high] = wilson(k, list.length);
  const asked = list.filter((i) => calls.human[i]);
  const kinds = ["supervisor", "human", "complaint"].map((kind) => [kind, asked.filter((i) => calls.human[i] === kind).length]).filter(([, n]) => n);
  const heard = valuesOf(list, "coverage");
  const shifts = valuesOf(list, "stress_shift");
  const row = [
    tile(WORDS.tiles.calls, count(list.length), null, WORDS.tiles.hours(hours(audio)), filtered() ? null : WORDS.tiles.failed(REPORT.errors.length, REPORT.in_part.length)),
    tile(WORDS.tiles.alerts, count(k), percent(k / list.length), WORDS.tiles.interval(percent(low), percent(high))),
    tile(WORDS.tiles.human, count(asked.length), percent(asked.length / list.length), WORDS.tiles.humanKinds(kinds)),
    tile(WORDS.tiles.shift, shifts.length ? signed(mean(shifts)) : WORDS.none, null, shifts.length > 1 ? WORDS.tiles.shiftWord(...meanInterval(shifts)) : null),
  ];
  for (const name of ["csi", "ces"]) {
    const values = valuesOf(list, name);
    if (values.length) row.push(tile(WORDS.tiles[name], Math.round(mean(values)), "/ 100", REPORT.fits[name] ? el("a", { href: hashOf({ view: "about" }) }, WORDS.tiles.prediction) : WORDS.tiles.index));
  }
  row.push(tile(WORDS.tiles.coverage, heard.length ? percent(mean(heard)) : WORDS.none, null, WORDS.tiles.coverageLow(heard.filter((x) => x < 0.9).length)));
  return el("dl", { class: "tiles" }, row);
}

/** The reasons to hear a call, as text and quotes. */
function reasonsOf(call) {
  return REPORT.calls.why[call].map(([kind, ...values]) => {
    const said = WORDS.listen.why[kind](...values);
    return Array.isArray(said) ? said.map((part) => (Array.isArray(part) ? el("q", languageAttributes(REPORT.calls.language[call]), part[1]) : part)) : [said];
  });
}
const capital = ([first, ...rest]) => (typeof first === "string" ? [first.charAt(0).toUpperCase() + first.slice(1), ...rest] : [first, ...rest]);
const languageAttributes = (code) => ({ lang: code || null, dir: "auto" });

function listenItems(list, most) {
  const { calls } = REPORT;
  return list
    .filter((i) => calls.rank[i] > 0)
    .sort((a, b) => calls.rank[b] - calls.rank[a] || a - b)
    .slice(0, most)
    .map((i, at) =>
      el(
        "li",
        {},
        el(
          "a",
          { href: hashOf({ view: "calls", call: calls.call_id[i], sort: "rank", t: known(calls.moment[i]) ? calls.moment[i].toFixed(1) : "" }) },
          el("span", { class: "rank" }, String(at + 1)),
          el("span", { class: "lead" }, capital(reasonsOf(i)[0])),
          spark(calls.spark[i]),
          reasonsOf(i).length > 1 ? el("span", { class: "why" }, capital(reasonsOf(i).slice(1).flatMap((reason, n) => (n ? ["; ", ...reason] : reason)))) : null,
          el("span", { class: "which" }, [calls.call_id[i], calls.agent[i], calls.queue[i], known(calls.start[i]) ? moment(calls.start[i]) : null, clock(calls.duration_s[i])].filter(Boolean).join(" · ")),
        ),
      ),
    );
}

function listenPanel(list) {
  const items = listenItems(list, 12);
  if (!items.length) return panel("listen", WORDS.listen.title, WORDS.listen.note, empty(WORDS.listen.none, WORDS.listen.noneDetail));
  return panel("listen long", WORDS.listen.title, WORDS.listen.note, el("ol", {}, items), el("p", { class: "pager" }, el("a", { href: hashOf({ view: "calls", sort: "rank" }) }, WORDS.listen.all)));
}

function trendPanel(list) {
  const byDay = new Map();
  for (const i of list) {
    const day = REPORT.day[i];
    if (!day) continue;
    if (!byDay.has(day)) byDay.set(day, { day, n: 0, k: 0 });
    byDay.get(day).n += 1;
    if (REPORT.calls.alert[i]) byDay.get(day).k += 1;
  }
  const days = [...byDay.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
  for (const day of days) [day.low, day.high] = wilson(day.k, day.n);
  if (!days.length) return panel("", WORDS.trend.title, null, empty(WORDS.trend.noDates, WORDS.trend.noDatesDetail));
  if (days.length === 1) return panel("", WORDS.trend.title, null, el("p", { class: "soft" }, WORDS.trend.oneDay));
  return panel("", WORDS.trend.title, WORDS.trend.note, trend(days));
}

function hoursPanel(list) {
  const bins = Array.from({ length: 24 }, (_, hour) => ({ n: 0, k: 0, label: String(hour), hour }));
  for (const i of list) {
    if (REPORT.hour[i] === null) continue;
    bins[REPORT.hour[i]].n += 1;
    if (REPORT.calls.alert[i]) bins[REPORT.hour[i]].k += 1;
  }
  if (!bins.some((bin) => bin.n)) return null;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return panel("", WORDS.hours.title, null, columns(WORDS.hours.title, bins, { tickEvery: 3, height: 118, title: (bin) => WORDS.hours.bar(bin.hour, bin.k, bin.n) }), el("p", { class: "faint" }, WORDS.hours.note(zone)));
}

function groupsOf(list, name) {
  const groups = new Map();
  for (const i of list) {
    const value = REPORT.calls[name][i];
    if (!value) continue;
    if (!groups.has(value)) groups.set(value, []);
    groups.get(value).push(i);
  }
  return [...groups].sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1));
}

function groupPanel(list, name) {
  const groups = groupsOf(list, name);
  if (!groups.length) return panel("", WORDS.groups[name], null, el("p", { class: "soft" }, WORDS.groups.none[name]));
  const most = 8;
  const all = alertsIn(list) / list.length;
  const rows = groups.slice(0, most).map(([value, members]) => {
    const [k, n] = [alertsIn(members), members.length];
    return { value, k, n, few: n < REPORT.few, interval: wilson(k, n) };
  });
  const top = Math.min(1, Math.max(0.04, all * 1.6, ...rows.filter((row) => !row.few).map((row) => row.interval[1])));
  const filter = { queue: "queue", language: "lang", agent: "agent" }[name];
  return panel(
    "",
    WORDS.groups[name],
    null,
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, WORDS.filters[`${name}Name`]), el("th", { scope: "col", class: "num" }, WORDS.groups.calls), el("th", { scope: "col", class: "num" }, WORDS.groups.share), el("th", {}, el("span", { class: "away" }, WORDS.groups.note)))),
        el(
          "tbody",
          {},
          rows.map((row) =>
            el(
              "tr",
              { class: row.few ? "few" : null, title: row.few ? null : WORDS.groups.bar(row.value, row.k, row.n, ...row.interval) },
              el("td", { class: "any" }, el("a", { class: "call", href: hashOf({ [filter]: row.value, page: "1" }) }, name === "language" ? languageName(row.value) : row.value)),
              el("td", { class: "num" }, count(row.n)),
              row.few ? [el("td", { class: "num interval", colspan: "2" }, WORDS.groups.fewRow)] : [el("td", { class: "num" }, percent(row.k / row.n)), el("td", { class: "num" }, whisker(row.k / row.n, ...row.interval, { from: 0, to: top, all }))],
            ),
          ),
        ),
      ),
    ),
    groups.length > most ? el("p", { class: "faint" }, WORDS.groups.more(groups.length - most)) : null,
    rows.every((row) => row.few) ? null : el("p", { class: "faint" }, WORDS.groups.note),
  );
}

function spreadPanel(list) {
  const { calls } = REPORT;
  const minutes = calls.duration_s.map((s) => (known(s) ? s / 60 : null));
  const longest = Math.max(2, ...ticks(Math.max(2, quantile(list.map((i) => minutes[i]).filter(known), 0.98)), 5));
  const plain = (x) => String(Math.round(x * 100) / 100);
  const charts = [
    ["peak", calls.stress_peak, 0, 1, 20, plain, 4],
    ["shift", calls.stress_shift, -0.6, 0.6, 24, (x) => (Math.abs(x) < 1e-9 ? "0" : x > 0 ? `+${x.toFixed(1)}` : `−${Math.abs(x).toFixed(1)}`), 4],
    ["dur", minutes, 0, longest, 20, plain, 4],
    ["warmth", calls.warmth, 0, 100, 20, plain, 4],
  ].filter(([, values]) => list.some((i) => known(values[i])));
  return panel(
    "",
    WORDS.spread.title,
    null,
    el(
      "div",
      { class: "grid" },
      charts.map(([name, values, from, to, n, show, tickEvery]) =>
        el("div", { class: "c6 half" }, el("h3", { class: "soft" }, WORDS.spread[name]), columns(WORDS.spread[name], binned(list, values, from, to, n, show), { tickEvery, height: 116, title: (bin) => WORDS.spread.bar(show(bin.from), show(bin.to), bin.k, bin.n) })),
      ),
    ),
    el("p", { class: "key" }, el("span", {}, WORDS.spread.without), el("span", { class: "k-alert" }, WORDS.spread.withAlert)),
  );
}

function quantile(values, q) {
  if (!values.length) return 0;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
