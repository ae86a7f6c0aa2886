// What the figures mean, what made them, and what could not be scored.

function drawAbout() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const facts = [...Object.entries(REPORT.origin), ["zone", zone]].filter(([, value]) => value);
  const fits = Object.entries(REPORT.fits);
  return [
    el(
      "div",
      { class: "grid about" },
      panel("c6", WORDS.about.read, null, WORDS.about.text.map((words) => el("p", {}, words))),
      el(
        "div",
        { class: "stack c6" },
        panel("", WORDS.about.run, null, el("dl", {}, facts.map(([name, value]) => [el("dt", {}, WORDS.about[name] || name), el("dd", {}, value)]))),
        panel("", WORDS.about.keys, null, el("dl", {}, WORDS.about.keyList.map(([key, words]) => [el("dt", {}, el("code", {}, key)), el("dd", {}, words)]))),
      ),
      fits.length
        ? fits.map(([name, fit]) => panel("c6", `${WORDS.about.survey}: ${WORDS.call[name].toLowerCase()}`, WORDS.about.surveyNote(fit), el("p", { class: "soft" }, fit.text), surveyChart(name, fit))).concat(REPORT.fit_notes.length ? [panel("c6", WORDS.about.survey, null, REPORT.fit_notes.map((note) => el("p", { class: "soft" }, note)))] : [])
        : panel("c12", WORDS.about.survey, null, el("p", { class: "soft" }, REPORT.fit_notes.join(" ") || WORDS.about.surveyNone)),
      REPORT.errors.length ? errorsPanel(WORDS.about.errors, REPORT.errors) : panel("c12 long", WORDS.about.errors, null, el("p", { class: "soft" }, WORDS.about.errorsNone)),
      REPORT.in_part.length ? errorsPanel(WORDS.about.inPart, REPORT.in_part) : null,
    ),
  ];
}

function errorsPanel(title, errors) {
  const rows = errors.map(([path, error]) => el("tr", {}, el("td", { class: "any" }, el("code", {}, path)), el("td", { class: "any" }, error)));
  return panel("c12 long", title, count(errors.length), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, WORDS.about.file), el("th", { scope: "col" }, WORDS.about.reason))), el("tbody", {}, rows))));
}

function surveyChart(name, fit) {
  const dots = fit.pairs.map(([id, answered, estimated]) => ({ x: answered, y: estimated, title: `${id}: ${Math.round(answered)}, ${Math.round(estimated)}` }));
  return scatter(`${WORDS.about.survey}: ${WORDS.call[name]}`, dots, { from: 0, to: 100, xLabel: WORDS.about.surveyX, yLabel: WORDS.about.surveyY, show: (x) => String(Math.round(x)) });
}
