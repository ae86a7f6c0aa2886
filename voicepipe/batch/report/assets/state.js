// What is looked at lives in the URL's hash, so that a view can be kept, sent and gone back to.

const DEFAULTS = { view: "overview", q: "", queue: "", agent: "", lang: "", alert: "", human: "", from: "", to: "", hour: "", sort: "rank", page: "1", call: "", t: "" };
let state = { ...DEFAULTS };
let hits = null;
let hitsOf = "";
let hitsDone = 0;

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (given.has(name)) state[name] = given.get(name);
}

function hashOf(changes) {
  const wanted = { ...state, ...("call" in changes || "view" in changes ? { t: "" } : {}), ...changes };
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) if (value && value !== DEFAULTS[name]) parameters.set(name, value);
  return `#${parameters}`;
}

/** Keep the moment that is heard in the address, without drawing anything anew. */
function keepMoment(t) {
  history.replaceState(null, "", hashOf({ t: t.toFixed(1) }));
  state.t = t.toFixed(1);
}

/** Go to another view; `replace` keeps typing and paging out of the history. */
function go(changes, { replace = false } = {}) {
  const hash = hashOf(changes);
  if (replace) {
    history.replaceState(null, "", hash);
    readHash();
    draw();
  } else if (hash !== (location.hash || "#")) {
    location.hash = hash;
    readHash(); // What is drawn follows the event; who clicks again before that adds to this.
  }
}

const FILTERS = ["q", "queue", "agent", "lang", "alert", "human", "from", "to", "hour"];
const filtered = () => FILTERS.some((name) => state[name]);

/** Indices of the calls that fit the filters. */
function chosen() {
  const { calls } = REPORT;
  const list = [];
  for (let i = 0; i < REPORT.n; i += 1) {
    if (state.queue && calls.queue[i] !== state.queue) continue;
    if (state.agent && calls.agent[i] !== state.agent) continue;
    if (state.lang && calls.language[i] !== state.lang) continue;
    if (state.alert && !calls.alert[i]) continue;
    if (state.human && !calls.human[i]) continue;
    if ((state.from || state.to) && !REPORT.day[i]) continue;
    if (state.from && REPORT.day[i] < state.from) continue;
    if (state.to && REPORT.day[i] > state.to) continue;
    if (state.hour && REPORT.hour[i] !== Number(state.hour)) continue;
    if (state.q && !(hits && hitsOf === state.q && hits.has(i))) continue;
    list.push(i);
  }
  return list;
}

const SORTS = {
  rank: (i) => -REPORT.calls.rank[i],
  start: (i) => -REPORT.calls.start[i],
  id: (i) => REPORT.calls.call_id[i],
  agent: (i) => REPORT.calls.agent[i],
  queue: (i) => REPORT.calls.queue[i],
  language: (i) => REPORT.calls.language[i],
  duration: (i) => -REPORT.calls.duration_s[i],
  peak: (i) => -REPORT.calls.stress_peak[i],
  shift: (i) => -REPORT.calls.stress_shift[i],
  csi: (i) => REPORT.calls.csi[i],
};

/** The chosen calls in the order of the list; what is not known comes last. */
function ordered(list) {
  const [name, backwards] = state.sort.startsWith("-") ? [state.sort.slice(1), -1] : [state.sort, 1];
  const key = SORTS[name] || SORTS.rank;
  const absent = (x) => !known(x) || x === "";
  return list
    .map((i) => [key(i), i])
    .sort(([a, i], [b, j]) => {
      if (absent(a) || absent(b)) return absent(a) - absent(b) || i - j;
      return (a < b ? -1 : a > b ? 1 : 0) * backwards || i - j;
    })
    .map(([, i]) => i);
}
