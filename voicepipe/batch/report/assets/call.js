// One call: the timeline, the transcript in step with the sound, and what speaks for an alert.

let shownCall = null;

function closeCall() {
  if (player) player.stop();
  player = null;
  shownCall = null;
}

/** Draw the page of a call into `main`; its details are unpacked first. */
async function drawCall(main, list) {
  const i = REPORT.byId.get(state.call);
  if (i === undefined) {
    closeCall();
    main.replaceChildren(el("p", { class: "crumbs" }, el("a", { href: hashOf({ call: "" }) }, WORDS.call.back)), panel("", WORDS.call.missing, null, empty("", WORDS.call.missingDetail(state.call))));
    return;
  }
  if (shownCall === i) return;
  closeCall();
  shownCall = i;
  main.replaceChildren(el("p", { class: "empty", role: "status" }, WORDS.call.opening));
  const details = await readDetails(i);
  if (shownCall !== i) return;
  main.replaceChildren(...callPage(i, details, ordered(list)));
  document.title = `${REPORT.calls.call_id[i]} · ${WORDS.product}`;
  scrollTo(0, 0);
}

function callPage(i, details, order) {
  const { calls } = REPORT;
  const lines = details.u;
  const duration = Math.max(calls.duration_s[i] || 0, ...details.e.map((episode) => episode.at_s), lines.length ? lines[lines.length - 1][2] : 0);
  const { list, light, rows } = transcript(i, details);
  const hear = (t) => {
    player.seek(t, true);
    keepMoment(t);
  };
  const lanes = timeline(lines, details.e, duration, hear);
  player = makePlayer(calls.audio[i], calls.path[i], duration, (t, playing) => {
    lanes.moveTo(t);
    light(t, playing);
  });
  rows.forEach(({ button, start }) => button.addEventListener("click", () => hear(start)));
  if (Number(state.t) > 0) player.seek(Math.min(duration, Number(state.t)), false);
  const mixed = lines.some(([who]) => who === MIXED);
  const at = order.indexOf(i);
  const step = (to, words) => (at >= 0 && order[to] !== undefined ? el("a", { class: "quiet", rel: to < at ? "prev" : "next", href: hashOf({ call: calls.call_id[order[to]] }) }, words) : null);
  return [
    el("nav", { class: "crumbs", "aria-label": WORDS.tabs.calls }, el("a", { href: hashOf({ call: "" }) }, `← ${WORDS.call.back}`), el("div", {}, step(at - 1, WORDS.call.previous), step(at + 1, WORDS.call.next))),
    callHead(i),
    el(
      "section",
      { class: "deck", "aria-label": WORDS.call.position },
      lanes.figure,
      el("p", { class: "key" }, [["calm", "--calm"], ["raised", "--raised"], ["high", "--high"]].map(([name, colour]) => keyed(WORDS.call.key[name], colour)), mixed ? null : keyed(WORDS.call.key.agent, "--agent")),
      player.node,
    ),
    el("div", { class: "onecall" }, el("section", { class: "panel long" }, el("header", {}, el("h2", {}, WORDS.call.transcript), el("p", {}, WORDS.call.transcriptNote)), list), sidePanel(i, details)),
  ];
}

function keyed(words, colour) {
  const span = el("span", {}, words);
  span.style.setProperty("--swatch", `var(${colour})`);
  return span;
}

function callHead(i) {
  const { calls } = REPORT;
  const facts = [
    [WORDS.call.started, known(calls.start[i]) ? moment(calls.start[i]) : null],
    [WORDS.call.length, clock(calls.duration_s[i])],
    [WORDS.call.agent, calls.agent[i]],
    [WORDS.call.queue, calls.queue[i]],
    [WORDS.call.language, calls.language[i] && languageName(calls.language[i])],
    [WORDS.call.file, calls.path[i]],
  ];
  return el(
    "header",
    { class: "callhead" },
    el("h2", { tabindex: "-1" }, calls.call_id[i]),
    tagsOf(i),
    el("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    WORDS.call.roles[calls.roles[i]] ? el("p", { class: "faint" }, WORDS.call.roles[calls.roles[i]]) : null,
    calls.error[i] ? el("p", { class: "notice" }, calls.error[i]) : null,
  );
}

const LONG = 2000;
const LONGER = 20000;

function transcript(i, details) {
  const lines = details.u;
  const rows = [];
  const events = details.e.flatMap((episode) => [[episode.at_s, persisted(episode) ? WORDS.call.opened : WORDS.call.requested], ...(persisted(episode) && known(episode.closed_s) && episode.closed_s > episode.at_s ? [[episode.closed_s, WORDS.call.closed]] : [])]).sort((a, b) => a[0] - b[0]);
  const list = el("ol", { class: "said" });
  const tell = (until) => {
    while (events.length && events[0][0] <= until) list.append(el("li", { class: "edge" }, `${clock(events[0][0])} ${events.shift()[1]}`));
  };
  let end = null;
  for (const line of lines) {
    const [who, start, stop] = line;
    tell(start);
    if (end !== null && start - end > 3) list.append(el("li", { class: "gap" }, WORDS.call.silence(start - end)));
    end = end === null ? stop : Math.max(end, stop);
    const { item, button } = transcriptLine(line, REPORT.calls.language[i]);
    list.append(item);
    rows.push({ button, start, stop, who });
  }
  tell(Infinity);
  if (!lines.length) list.append(el("li", { class: "empty" }, WORDS.call.nothing));
  let current = null;
  let touched = 0;
  for (const name of ["wheel", "touchmove", "keydown"]) list.addEventListener(name, () => { touched = performance.now(); }, { passive: true });
  const light = (t, playing) => {
    let found = null;
    for (const row of rows) {
      if (row.start > t + 0.02) break;
      if (t < row.stop) found = row;
    }
    if (found === current) return;
    if (current) current.button.removeAttribute("aria-current");
    current = found;
    if (!found) return;
    found.button.setAttribute("aria-current", "true");
    if (playing && performance.now() - touched > 4000) found.button.scrollIntoView({ block: "nearest" });
  };
  return { list, light, rows };
}

function transcriptLine([who, start, , words, code, stress, reasons, frustration, human], language) {
  const name = who === AGENT ? WORDS.call.agentSide : who === MIXED ? WORDS.call.mixed : WORDS.call.caller;
  const said = words === null ? el("i", {}, WORDS.call.notHeard) : words === "" ? el("i", {}, WORDS.call.noWords) : null;
  const body = el("span", { class: "text", ...(said ? {} : languageAttributes(code || language)) }, said || marked(words.slice(0, LONG), state.q));
  const how = known(stress) ? [meter(stress), level(stress) === "high" ? el("b", {}, two(stress)) : two(stress)] : null;
  const why = [human ? WORDS.asked[human] : null, known(frustration) && frustration >= 0.5 ? WORDS.call.frustrated(frustration) : null, ...(known(stress) && level(stress) === "high" ? reasons || [] : [])].filter(Boolean);
  const button = el(
    "button",
    {},
    el("time", {}, clock(start)),
    el("span", { class: "who" }, name),
    body,
    el("span", { class: "how" }, how),
    why.length ? el("span", { class: "why" }, why.join("; ")) : null,
  );
  const item = el("li", { class: who === AGENT ? "agent" : "caller" }, button);
  if (words && words.length > LONG) {
    let length = LONG;
    const more = el("button", { class: "more" }, WORDS.call.more(words.length - length));
    more.addEventListener("click", () => {
      body.append(...marked(words.slice(length, length + LONGER), state.q));
      length += LONGER;
      if (length >= words.length) more.remove();
      else more.textContent = WORDS.call.more(words.length - length);
    });
    item.append(more);
  }
  return { item, button };
}

const at = (t) => el("button", { class: "seek", "aria-label": WORDS.call.seek(clock(t)), onclick: () => player.seek(t, true) }, clock(t));

function quoted(quote, t, language, ...notes) {
  return el("blockquote", {}, el("span", languageAttributes(language), quote), el("footer", {}, known(t) ? [at(t), notes.length ? " · " : ""] : null, notes));
}

function sidePanel(i, details) {
  const { calls } = REPORT;
  const language = calls.language[i];
  const why = reasonsOf(i);
  const parts = [el("section", {}, el("h3", {}, WORDS.call.why), why.length ? el("ul", { class: "reasons" }, why.map((reason) => el("li", {}, capital(reason)))) : el("p", { class: "soft" }, WORDS.call.whyNone))];
  parts.push(el("section", {}, el("h3", {}, WORDS.call.episodes), details.e.length ? details.e.map((episode) => episodeCard(episode, details.u, language)) : el("p", { class: "soft" }, WORDS.call.episodesNone)));
  const asked = details.u.filter((line) => line[8]);
  if (asked.length) parts.push(el("section", {}, el("h3", {}, WORDS.call.asked), asked.map((line) => quoted(line[9] || line[3], line[1], line[4] || language, WORDS.asked[line[8]] || line[8]))));
  const handoff = handoffCard(details.h, language);
  if (handoff) parts.push(handoff);
  const warmth = warmthCard(i, details.w, language);
  if (warmth) parts.push(warmth);
  parts.push(measuresCard(i, details.m));
  const index = indexCard(i);
  if (index) parts.push(index);
  return el("aside", { class: "panel side long" }, parts);
}

function episodeCard(episode, lines, language) {
  const evidence = new Set(episode.utterances);
  const own = lines.filter((line) => line[0] !== AGENT);
  const carried = own.filter((line) => evidence.has(line[10])).sort((a, b) => b[5] - a[5]).slice(0, 3).sort((a, b) => a[1] - b[1]);
  return el(
    "div",
    {},
    el("p", {}, episodeTitle(episode), "."),
    persisted(episode) ? el("p", { class: "soft" }, WORDS.call.episodeFacts(episode), " ", known(episode.budget) ? WORDS.call.budget(episode) : null) : null,
    carried.map((line) => quoted(line[3] || WORDS.call.noWords, line[1], line[4] || language, persisted(episode) ? [two(line[5]), ...(line[6] || [])].join(" · ") : two(line[5]))),
  );
}

function handoffCard(handoff, language) {
  if (!handoff) return null;
  const rows = Object.entries(handoff).map(([name, quotes]) => [el("p", { class: "faint" }, WORDS.call.parts[name] || name), quotes.map(([text, t]) => quoted(text, t, language))]);
  return el("section", {}, el("h3", {}, WORDS.call.handoff), rows);
}

function warmthCard(i, quotes, language) {
  const { calls } = REPORT;
  const names = Object.keys(WORDS.warmth).filter((name) => calls[`warmth_${name}`]);
  const items = names.filter((name) => known(calls[`warmth_${name}`][i]));
  if (!items.length && !quotes.length) return null;
  return el(
    "section",
    {},
    el("h3", {}, WORDS.call.warmth),
    known(calls.warmth[i]) ? el("p", {}, WORDS.call.warmthOverall(calls.warmth[i])) : null,
    el("dl", { class: "pairs" }, names.map((name) => [el("dt", {}, WORDS.warmth[name]), el("dd", {}, known(calls[`warmth_${name}`][i]) ? [meterPlain(calls[`warmth_${name}`][i]), percent(calls[`warmth_${name}`][i])] : WORDS.call.unmeasured)])),
    quotes.map((quote) => quoted(quote.text, quote.start_s, language, WORDS.warmth[quote.sign] || quote.sign)),
  );
}

function meterPlain(share) {
  const inner = el("i", {});
  inner.style.width = `${Math.round(100 * share)}%`;
  return el("span", { class: "meter", "aria-hidden": "true" }, inner);
}

const HOW = {
  agent_talk_ratio: percent, coverage: percent, stress_start: two, stress_middle: two, stress_end: two, frustration_peak: two, stress_after_agent: signed,
  agent_interruptions: number, caller_interruptions: number, agent_monologues: number, agent_rate_per_min: number, caller_rate_per_min: number,
};

function measuresCard(i, measures) {
  const rows = Object.entries(measures).filter(([, value]) => known(value)).map(([name, value]) => [el("dt", {}, WORDS.measures[name] || name), el("dd", {}, (HOW[name] || seconds)(value))]);
  return el("section", {}, el("h3", {}, WORDS.call.measures), el("dl", { class: "pairs" }, rows));
}

function indexCard(i) {
  const { calls } = REPORT;
  const rows = ["csi", "ces"].filter((name) => known(calls[name][i])).map((name) => {
    const [value, low, high] = [calls[name][i], calls[`${name}_low`][i], calls[`${name}_high`][i]];
    const words = `${WORDS.call[name]}: ${Math.round(value)}`;
    const answer = calls[`survey_${name}`][i];
    const note = REPORT.fits[name] ? WORDS.call.predictionNote : WORDS.call.indexNote;
    return [el("p", {}, words, " ", el("span", { class: "interval" }, known(low) ? `(${WORDS.call.between(low, high)})` : "")), gauge(value, low, high, words), known(answer) ? el("p", { class: "soft" }, WORDS.call.surveyed(Math.round(answer))) : null, el("p", { class: "faint" }, note)];
  });
  if (!rows.length) return null;
  return el("section", {}, el("h3", {}, WORDS.call.index), rows);
}
