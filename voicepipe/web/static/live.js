// The calls in progress. The page comes with the rows of the first ones; the stream tells of all, and from then on once a
// second what has changed. Rows are filled in place, and change places seldom: every few seconds, never under the pointer
// or the focus, never for a small difference. Only rows on the screen are drawn; the others catch up as they come into
// view.
"use strict";

(() => {
  const voicepipe = window.voicepipe;
  const find = (id) => document.getElementById(id);
  const body = find("live-rows");
  const pattern = document.importNode(find("live-row").content.firstElementChild, true);
  const form = find("live-filters");
  const lang = document.documentElement.lang;
  const texts = Object.fromEntries(
    ["level-calm", "level-raised", "level-high", "level-unknown", "none-value", "live-ended", "live-refused", "live-words-only"].map((id) => [id, voicepipe.t(id)]),
  );
  const spoken = { en: voicepipe.t("language-en"), ru: voicepipe.t("language-ru"), zh: voicepipe.t("language-zh") };
  // The page brings how its language writes 0 %: a NumberFormat would take longer than all rows together.
  const percent = (ratio) => body.dataset.percent.replace("0", String(Math.round(100 * ratio)));
  const FILTERS = ["q", "queue", "agent_id", "language", "open"];
  const CHOICES = ["queue", "agent_id", "language"];

  const ARRANGE_MS = 5000;
  const POINTER_MS = 1500; // Rows stand still while the pointer is on its way to one.
  const CLEARLY = 0.05; // Difference of stress that is worth a new place.
  const TREND_S = 120;
  const WIDTH = 120;
  const HEIGHT = 24;
  const MARGIN = 2;

  const rows = new Map();
  const unseen = new Set();
  let skewMs = 0;
  let arrangedAt = 0;
  let pointedAt = 0;
  let isFirst = true;
  let isUrgent = false; // An episode has opened: it goes to the top as soon as the pointer rests.
  let wanted = {};
  const nowS = () => (Date.now() + skewMs) / 1000;

  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const clock = (seconds) => {
    const all = Math.max(0, Math.floor(seconds));
    const rest = String(all % 60).padStart(2, "0");
    const minutes = Math.floor(all / 60);
    return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };
  const lasted = ({ call, startedS }) => (call.ended ? call.duration_s : Math.max(0, nowS() - startedS));

  const create = (id) => {
    const tr = pattern.cloneNode(true);
    tr.dataset.call = id;
    const link = tr.lastElementChild.firstElementChild;
    link.textContent = id;
    if (link.tagName === "A") link.href = `/console/calls/${encodeURIComponent(id)}`;
    return tr;
  };
  const partsOf = (tr) => {
    const [stress, trend, episode, queue, agent, language, duration, coverage] = tr.cells;
    const [levelName, levelValue] = stress.firstElementChild.children;
    const [open, past] = episode.children;
    return {
      tr, queue, agent, language, duration, coverage, levelName, levelValue, open, past,
      level: stress.firstElementChild,
      spark: trend.firstElementChild,
      line: trend.firstElementChild.firstElementChild,
      openClock: open.firstElementChild,
      rank: null,
      call: null,
      startedS: 0,
      shown: null, // The call as it was drawn last.
      isNear: false,
    };
  };

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = rows.get(entry.target.dataset.call);
      if (!row) continue;
      row.isNear = entry.isIntersecting;
      if (row.isNear) paint(row);
    }
  }, { rootMargin: "200px" });

  const draw = (row) => {
    const { call, line } = row;
    const edgeS = Math.max(lasted(row), call.trend.at(-1)?.[0] ?? 0);
    const beginS = edgeS - TREND_S;
    const points = call.trend.filter(([atS]) => atS >= beginS);
    if (!points.length) { line.setAttribute("points", ""); return; }
    points.push([edgeS, points.at(-1)[1]]);
    line.setAttribute("points", points.map(([atS, stress]) =>
      `${(((atS - beginS) * WIDTH) / TREND_S).toFixed(1)},${(MARGIN + (HEIGHT - 2 * MARGIN) * (1 - stress)).toFixed(1)}`).join(" "));
  };

  // Take in a call: what sorting and filtering need.
  const take = (row, call) => {
    row.call = call;
    row.startedS = Date.parse(call.started_at) / 1000;
    const stress = call.stress ?? -1;
    if (row.rank === null || Math.abs(row.rank - stress) >= CLEARLY) row.rank = stress;
    row.words = [call.call_id, call.queue, call.agent_id, spoken[call.language], call.language].filter(Boolean).join(" ").toLowerCase();
    if (row.isNear) paint(row);
    else if (!row.shown) unseen.add(row);
  };

  // Rows that nobody sees yet are filled in when there is nothing else to do.
  const idly = window.requestIdleCallback ?? ((work) => setTimeout(work, 20));
  const fill = () => {
    for (const row of [...unseen].slice(0, 20)) {
      if (!row.shown) paint(row);
      unseen.delete(row);
    }
    if (unseen.size) idly(fill);
  };

  const paint = (row) => {
    const { call, shown: before } = row;
    tick(row);
    draw(row);
    if (before === call) return;
    row.shown = call;
    if (before?.level !== call.level || !before) {
      row.level.className = `level level-${call.level}`;
      row.spark.setAttribute("class", `spark spark-${call.level}`);
      set(row.levelName, texts[`level-${call.level}`]);
    }
    const shown = call.stress === null ? "" : percent(call.stress);
    set(row.levelValue, shown);
    if (before?.stress !== call.stress) row.spark.setAttribute("aria-label", voicepipe.t("live-trend-now", { percent: shown || texts["none-value"] }));
    row.open.hidden = !call.episode;
    const past = call.scope === "nothing" ? texts["live-refused"]
      : call.scope && call.scope !== "all" ? texts["live-words-only"]
      : !call.episode && call.episodes ? voicepipe.t("live-episodes-past", { count: call.episodes }) : "";
    set(row.past, past);
    set(row.queue, call.queue ?? texts["none-value"]);
    set(row.agent, call.agent_id ?? texts["none-value"]);
    row.queue.classList.toggle("live-unsaid", !call.queue);
    row.agent.classList.toggle("live-unsaid", !call.agent_id);
    set(row.language, spoken[call.language] ?? call.language ?? texts["none-value"]);
    set(row.coverage, percent(call.coverage));
    row.coverage.classList.toggle("live-low", call.coverage < 0.9);
    row.tr.classList.toggle("live-open", Boolean(call.episode));
    row.tr.classList.toggle("live-over", call.ended);
  };

  const tick = (row) => {
    set(row.duration, row.call.ended ? `${clock(lasted(row))} ${texts["live-ended"]}` : clock(lasted(row)));
    if (row.call.episode) set(row.openClock, clock(lasted(row) - row.call.episode.opened_s));
  };

  const fits = (row) => {
    const { call, words } = row;
    return (!wanted.queue || call.queue === wanted.queue) && (!wanted.agent_id || call.agent_id === wanted.agent_id)
      && (!wanted.language || call.language === wanted.language) && (!wanted.open || Boolean(call.episode))
      && (wanted.q ?? "").toLowerCase().split(/\s+/).every((word) => words.includes(word));
  };

  const order = (one, other) =>
    Boolean(other.call.episode) - Boolean(one.call.episode) || other.rank - one.rank || (one.call.call_id < other.call.call_id ? -1 : 1);

  const arrange = () => {
    arrangedAt = Date.now();
    isUrgent = false;
    const held = body.querySelector("tr:hover, tr:focus-within");
    const present = [...rows.values()].filter((row) => !row.tr.hidden);
    const sorted = present.filter((row) => row.tr !== held).sort(order).map((row) => row.tr);
    if (held && !held.hidden) {
      const before = [...body.children].filter((tr) => !tr.hidden);
      sorted.splice(Math.max(0, before.indexOf(held)), 0, held);
    }
    let place = body.firstElementChild;
    for (const tr of sorted) {
      if (tr === held) while (place !== held) { const next = place.nextElementSibling; body.append(place); place = next; }
      if (tr === place) place = place.nextElementSibling;
      else body.insertBefore(tr, place);
    }
  };

  const show = () => {
    let shown = 0;
    let open = 0;
    for (const row of rows.values()) {
      const hidden = !fits(row);
      if (row.tr.hidden !== hidden) row.tr.hidden = hidden;
      if (!hidden) shown += 1;
      if (row.call.episode) open += 1;
    }
    find("live-calls").hidden = shown === 0;
    find("live-empty").hidden = rows.size > 0;
    find("live-none").hidden = rows.size === 0 || shown > 0;
    const count = voicepipe.t("live-count", { calls: rows.size, open });
    set(find("live-count"), shown === rows.size ? count : `${voicepipe.t("live-count-some", { shown, calls: rows.size })} ${count}`);
  };

  const choices = () => {
    const collator = new Intl.Collator(lang, { numeric: true });
    for (const name of CHOICES) {
      const select = form.elements[name];
      const values = new Set([...rows.values()].map((row) => row.call[name]).filter(Boolean));
      if (wanted[name]) values.add(wanted[name]);
      const sorted = [...values].sort(collator.compare);
      if (select === document.activeElement || sorted.join("\n") === select.dataset.values) continue;
      select.dataset.values = sorted.join("\n");
      select.replaceChildren(select.options[0], ...sorted.map((value) => new Option(name === "language" ? spoken[value] ?? value : value, value)));
      select.value = wanted[name] ?? "";
    }
  };

  const mayMove = () => Date.now() - pointedAt > POINTER_MS;

  const hear = (detail) => {
    skewMs = Date.parse(detail.now) - Date.now();
    const ids = new Set(detail.calls.map((call) => call.call_id));
    if (isFirst) for (const tr of body.rows) { rows.set(tr.dataset.call, partsOf(tr)); observer.observe(tr); }
    for (const id of detail.all ? [...rows.keys()].filter((one) => !ids.has(one)) : detail.gone) {
      const row = rows.get(id);
      if (row) { observer.unobserve(row.tr); row.tr.remove(); }
      rows.delete(id);
    }
    isUrgent ||= detail.all;
    const fresh = [];
    for (const call of detail.calls) {
      let row = rows.get(call.call_id);
      if (!row) {
        row = partsOf(create(call.call_id));
        rows.set(call.call_id, row);
        fresh.push(row);
      }
      if (call.episode && !row.call?.episode && !isFirst) {
        isUrgent = true;
        if (!detail.all) voicepipe.announce(call.queue ? voicepipe.t("live-episode-new", { queue: call.queue }) : voicepipe.t("live-episode-new-plain"));
      }
      take(row, call);
    }
    if (fresh.length) {
      body.append(...fresh.map((row) => row.tr));
      for (const row of fresh) observer.observe(row.tr);
    }
    choices();
    show();
    if (unseen.size) idly(fill);
    if (isFirst || (isUrgent && mayMove())) arrange();
    isFirst = false;
  };

  document.body.addEventListener("voicepipe:calls", ({ detail }) => hear(detail));

  document.body.addEventListener("voicepipe:state", ({ detail }) => {
    find("store-away").hidden = detail.store === "ok";
  });

  let beat = 0;
  setInterval(() => {
    if (document.hidden || !rows.size) return;
    beat += 1;
    for (const row of rows.values()) {
      if (row.tr.hidden || !row.isNear) continue;
      tick(row);
      if (beat % 5 === 0) draw(row);
    }
    if ((isUrgent || Date.now() - arrangedAt >= ARRANGE_MS) && mayMove()) arrange();
  }, 1000);
  body.addEventListener("pointermove", () => { pointedAt = Date.now(); });
  body.addEventListener("click", (event) => {
    const link = event.target.closest("tr")?.querySelector("th a");
    if (link && !event.target.closest("a") && getSelection().isCollapsed) link.click();
  });

  // The filter stands in the address: it can be kept, sent to a colleague, and put on a wall.
  const read = () => {
    wanted = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    const address = new URL(location.href);
    for (const name of FILTERS) {
      if (wanted[name]) address.searchParams.set(name, wanted[name]);
      else address.searchParams.delete(name);
    }
    if (address.href !== location.href) history.replaceState(null, "", address);
    if (isFirst) return;
    show();
    arrange();
  };
  const given = new URLSearchParams(location.search);
  for (const name of CHOICES) {
    const value = given.get(name);
    if (value) { form.elements[name].append(new Option(spoken[value] ?? value, value)); form.elements[name].value = value; }
  }
  form.addEventListener("input", read);
  form.addEventListener("submit", (event) => { event.preventDefault(); read(); });
  form.addEventListener("reset", () => setTimeout(read));
  read();

  const move = (by) => () => {
    const shown = [...body.children].filter((tr) => !tr.hidden);
    const at = shown.indexOf(document.activeElement?.closest("tr"));
    const next = shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by))];
    next?.querySelector("th a")?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  voicepipe.keys({ j: move(1), k: move(-1), "/": () => form.elements.q.focus(), e: () => { form.elements.open.click(); } });
})();
