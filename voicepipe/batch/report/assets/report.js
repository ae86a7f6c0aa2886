// The report: its frame, its filters, and which view is drawn.

let parts = null;

begin(async (root, choose) => {
  await readIndex();
  readHash();
  const days = REPORT.day.filter(Boolean).sort();
  const span = days.length ? (days[0] === days[days.length - 1] ? days[0] : `${days[0]} to ${days[days.length - 1]}`) : "";
  const main = el("main", { id: "main", class: "wide", tabindex: "-1" });
  const tabs = el("nav", { class: "tabs wide", "aria-label": WORDS.title });
  const filters = el("form", { class: "filters wide", role: "search", "aria-label": WORDS.filters.name, onsubmit: (event) => event.preventDefault() });
  const found = el("p", { class: "found wide", role: "status" });
  const subtitle = [WORDS.filters.found(REPORT.n, REPORT.n), span].filter(Boolean).join(" · ");
  root.replaceChildren(el("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, WORDS.skip), el("header", { class: "top" }, pageHead(REPORT.title, subtitle, choose), tabs), filters, found, main);
  parts = { main, tabs, filters, found, controls: {} };
  makeFilters(days);
  addEventListener("hashchange", () => {
    readHash();
    draw();
    if (!state.call) scrollTo(0, 0);
  });
  addEventListener("keydown", keys);
  draw();
});

function makeFilters(days) {
  const { controls, filters } = parts;
  const choice = (name, all, label, values, show = (x) => x) => {
    const counts = new Map();
    for (const value of values) if (value) counts.set(value, (counts.get(value) || 0) + 1);
    const options = [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([value, n]) => el("option", { value }, `${show(value)} (${count(n)})`));
    controls[name] = el("select", { "aria-label": label, name }, el("option", { value: "" }, all), options);
    controls[name].addEventListener("change", () => go({ [name]: controls[name].value, page: "1", call: "" }));
    return options.length ? controls[name] : null;
  };
  const toggle = (name, words) => {
    controls[name] = el("button", { type: "button", class: "toggle", "aria-pressed": "false", name }, el("span", { class: "box", "aria-hidden": "true" }), words);
    controls[name].addEventListener("click", () => go({ [name]: state[name] ? "" : "1", page: "1", call: "" }));
    return controls[name];
  };
  const date = (name, label) => {
    controls[name] = el("input", { type: "date", name, "aria-label": label, min: days[0], max: days[days.length - 1] });
    controls[name].addEventListener("change", () => go({ [name]: controls[name].value, page: "1", call: "" }));
    return controls[name];
  };
  controls.q = el("input", { type: "search", name: "q", placeholder: WORDS.filters.search, "aria-label": WORDS.filters.search, autocomplete: "off", spellcheck: "false" });
  let timer = 0;
  controls.q.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => go({ q: controls.q.value.trim(), page: "1", call: "" }, { replace: true }), 160);
  });
  // Who opens a call before the search is over must not be sent back to the list by it.
  addEventListener("hashchange", () => clearTimeout(timer));
  const { calls } = REPORT;
  filters.append(
    ...[
      controls.q,
      choice("queue", WORDS.filters.queue, WORDS.filters.queueName, calls.queue),
      choice("agent", WORDS.filters.agent, WORDS.filters.agentName, calls.agent),
      choice("lang", WORDS.filters.language, WORDS.filters.languageName, calls.language, languageName),
      days.length ? el("span", { class: "dates" }, date("from", WORDS.filters.from), WORDS.filters.to, date("to", WORDS.filters.to)) : null,
      toggle("alert", WORDS.filters.alert),
      toggle("human", WORDS.filters.human),
    ].filter(Boolean),
  );
}

function showFilters() {
  for (const [name, control] of Object.entries(parts.controls)) {
    if (control.tagName === "BUTTON") {
      control.setAttribute("aria-pressed", String(Boolean(state[name])));
      control.firstChild.textContent = state[name] ? "✓" : "○";
    } else {
      if (control !== document.activeElement || control.tagName === "SELECT") control.value = state[name];
      control.classList.toggle("on", Boolean(state[name]));
    }
  }
}

function draw() {
  const { main, tabs, filters, found } = parts;
  showFilters();
  if (state.q && hitsOf !== state.q) {
    [hitsOf, hits, hitsDone] = [state.q, new Set(), 0];
    search(state.q, (set, done) => {
      [hits, hitsDone] = [set, done];
      if (!state.call) draw();
    });
  } else if (!state.q && hitsOf) {
    forgetSearch();
    [hitsOf, hits, hitsDone] = ["", null, 0];
  }
  const list = chosen();
  const agents = new Set(REPORT.calls.agent.filter(Boolean)).size;
  const counts = { calls: list.length, agents };
  tabs.replaceChildren(
    ...Object.entries(WORDS.tabs).map(([view, words]) =>
      el("a", { href: hashOf({ view, call: "", page: "1" }), "aria-current": state.view === view ? "page" : null }, words, counts[view] !== undefined ? el("span", { class: "count" }, count(counts[view])) : null),
    ),
  );
  const plain = Boolean(state.call) || state.view === "about";
  filters.hidden = plain;
  found.hidden = plain;
  found.replaceChildren(
    WORDS.filters.found(list.length, REPORT.n),
    state.q && hitsDone < REPORT.n ? el("span", { class: "faint" }, WORDS.filters.reading(hitsDone, REPORT.n)) : "",
    filtered() ? el("button", { class: "link", onclick: () => { parts.controls.q.value = ""; go(Object.fromEntries(FILTERS.map((name) => [name, ""]))); } }, WORDS.filters.clear) : "",
  );
  if (state.call) {
    drawCall(main, list);
    return;
  }
  closeCall();
  document.title = `${REPORT.title} · ${WORDS.product}`;
  const views = { overview: drawOverview, calls: drawCalls, agents: drawAgents, about: drawAbout };
  main.replaceChildren(...(views[state.view] || drawOverview)(list));
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && state.call) go({ call: "" });
  if (typing) return;
  if (event.key === "/" && !parts.filters.hidden) {
    event.preventDefault();
    parts.controls.q.focus();
  }
  if (!state.call || !player) return;
  if (event.key === " " && !event.target.closest("button, a")) {
    event.preventDefault();
    player.toggle();
  }
  if (event.key === "j" || event.key === "k") {
    const lines = [...document.querySelectorAll(".said li > button:first-child")];
    const now = lines.indexOf(document.activeElement);
    const current = now >= 0 ? now : lines.findIndex((line) => line.hasAttribute("aria-current"));
    const next = lines[Math.min(lines.length - 1, Math.max(0, current + (event.key === "j" ? 1 : -1)))];
    if (next) next.focus();
  }
  if (event.key === "[" || event.key === "]") {
    const link = document.querySelector(`.crumbs a[rel="${event.key === "[" ? "prev" : "next"}"]`);
    if (link) link.click();
  }
}
