// Elements, numbers and intervals. Text reaches the page as text nodes only, so no data can become markup.

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}

const known = (x) => x !== null && x !== undefined && !Number.isNaN(x);
const two = (x) => (known(x) ? x.toFixed(2) : WORDS.none);
const signed = (x) => (known(x) ? (x < -0.005 ? "−" : x > 0.005 ? "+" : "") + Math.abs(x).toFixed(2) : WORDS.none);
const number = (x) => (known(x) ? x.toLocaleString("en", { maximumFractionDigits: 1 }) : WORDS.none);
const count = (n) => n.toLocaleString("en");
const percent = (x) => {
  if (!known(x)) return WORDS.none;
  const value = 100 * x;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
};
const hours = (s) => (s < 3600 ? `${number(s / 60)} min` : `${number(s / 3600)} h`);
const seconds = (s) => (known(s) ? `${s < 9.95 ? s.toFixed(1) : Math.round(s)} s` : WORDS.none);

function clock(s) {
  if (!known(s)) return WORDS.none;
  const whole = Math.max(0, Math.floor(s));
  const [h, m, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
}

const pad = (n) => String(n).padStart(2, "0");
/** Day of a time in the reader's zone, as 2026-11-21. */
const dayOf = (at) => {
  const date = new Date(at * 1000);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
};
const moment = (at) => (known(at) ? `${dayOf(at)} ${pad(new Date(at * 1000).getHours())}:${pad(new Date(at * 1000).getMinutes())}` : WORDS.none);
const shortMoment = (at) => (known(at) ? `${shortDay(dayOf(at))} ${pad(new Date(at * 1000).getHours())}:${pad(new Date(at * 1000).getMinutes())}` : WORDS.none);
const shortDay = (day) => new Date(`${day}T12:00`).toLocaleDateString("en", { day: "numeric", month: "short" });

const languageNames = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(["en"], { type: "language", fallback: "code" }) : null;
function languageName(code) {
  try {
    return languageNames ? languageNames.of(code) : code;
  } catch {
    return code;
  }
}

const level = (stress) => (stress >= REPORT.high ? "high" : stress >= REPORT.raised ? "raised" : "calm");
const mean = (values) => (values.length ? values.reduce((sum, x) => sum + x, 0) / values.length : NaN);
function median(values) {
  if (!values.length) return NaN;
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const Z95 = 1.959964;

/** 95 % score interval of a share; Wilson, JASA 22 (1927). */
function wilson(k, n) {
  if (!n) return [0, 1];
  const [share, z2] = [k / n, Z95 * Z95];
  const centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z95 * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** 95 % interval of a mean by Student's t; its quantile by Cornish and Fisher's expansion (Abramowitz and Stegun 26.7.5). */
function meanInterval(values) {
  const n = values.length;
  if (n < 2) return [NaN, NaN];
  const centre = mean(values);
  const sd = Math.sqrt(values.reduce((sum, x) => sum + (x - centre) ** 2, 0) / (n - 1));
  const f = n - 1;
  const t = Z95 + (Z95 ** 3 + Z95) / (4 * f) + (5 * Z95 ** 5 + 16 * Z95 ** 3 + 3 * Z95) / (96 * f * f);
  return [centre - (t * sd) / Math.sqrt(n), centre + (t * sd) / Math.sqrt(n)];
}

/** Text with each place where the search words stand marked. */
function marked(text, search) {
  if (!search) return [text];
  const [lower, wanted, parts] = [text.toLowerCase(), search.toLowerCase(), []];
  if (lower.length !== text.length) return [text];
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0 && parts.length < 400; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), el("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}

const empty = (title, detail) => el("p", { class: "empty" }, el("b", {}, title), detail);
function panel(kind, title, note, ...content) {
  return el("section", { class: `panel ${kind}` }, el("header", {}, el("h2", {}, title), note ? el("p", {}, note) : null), content);
}
