// What every page of the console does: texts, times, keys, dialogs, the connection, copying. Pages use window.voicepipe.
"use strict";

window.voicepipe = (() => {
  const root = document.documentElement;
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  root.classList.add("scripted");
  if (new URLSearchParams(location.search).has("wall")) root.dataset.wall = "";

  // Texts: the page carries them, in the viewer's language, in <template data-text="id">.
  const texts = new Map();
  const t = (id, values = {}) => {
    if (!texts.size) for (const template of all("template[data-text]")) texts.set(template.dataset.text, template.content.textContent);
    if (!texts.has(id)) throw new Error(`no text ${id}`);
    return texts.get(id).replace(/\{(\w+)\}/g, (all_, name) => String(values[name] ?? all_));
  };

  // Times: in the viewer's zone and language; the server's clock counts, not this device's.
  const skewMs = Date.parse(one('meta[name="server-time"]')?.content ?? "") - Date.now() || 0;
  const now = () => Date.now() + skewMs;
  // The viewer's own kind of the page's language: en-GB writes 22 Nov, en-US Nov 22.
  const locale = navigator.languages.find((one) => one.split("-")[0] === root.lang) ?? root.lang;
  const formats = new Map();
  const format = (name, options) => {
    if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat(locale, { hourCycle: "h23", ...options }));
    return formats.get(name);
  };
  const clockTime = (ms) => format("time", { hour: "2-digit", minute: "2-digit" }).format(ms);
  const dateTime = (ms) => format("datetime", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(ms);
  const day = (ms) => format("date", { year: "numeric", month: "short", day: "numeric" }).format(ms);
  const dayOnly = (ms) => format("day", { day: "2-digit", month: "2-digit", year: "numeric", timeZone: "UTC" }).format(ms);
  const whole = (ms) => format("whole", { dateStyle: "full", timeStyle: "long" }).format(ms);
  const relative = (value, unit) => {
    if (!formats.has("relative")) formats.set("relative", new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "short" }));
    return formats.get("relative").format(value, unit);
  };
  const ago = (ms) => {
    const seconds = Math.round((now() - ms) / 1000);
    if (seconds < 10) return t("time-now");
    if (seconds < 60) return relative(-seconds, "second");
    if (seconds < 3600) return relative(-Math.floor(seconds / 60), "minute");
    if (seconds < 86400) return relative(-Math.floor(seconds / 3600), "hour");
    return dateTime(ms);
  };
  const elapsed = (ms) => {
    const seconds = Math.max(0, Math.floor((now() - ms) / 1000));
    const rest = String(seconds % 60).padStart(2, "0");
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };
  const writers = { time: clockTime, datetime: dateTime, date: day, day: dayOnly, relative: ago, elapsed };
  const write = (element) => {
    const ms = Date.parse(element.dateTime);
    if (Number.isNaN(ms)) return;
    const text = writers[element.dataset.time](ms);
    if (element.textContent !== text) element.textContent = text;
  };
  const times = (from = document) => {
    for (const element of all("time[data-time]", from)) {
      write(element);
      if (!["elapsed", "day"].includes(element.dataset.time) && !element.title) element.title = whole(Date.parse(element.dateTime));
    }
  };
  setInterval(() => { if (!document.hidden) all('time[data-time="elapsed"]').forEach(write); }, 1000);
  setInterval(() => { if (!document.hidden) all('time[data-time="relative"]').forEach(write); }, 10_000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) times(); });

  // Short words that come and go, read out politely.
  const toast = (text, kind = "info") => {
    const box = document.createElement("div");
    box.className = `toast toast-${kind}`;
    box.textContent = text;
    one("#toasts").append(box);
    setTimeout(() => box.remove(), kind === "info" ? 5000 : 10_000);
  };
  const announce = (text) => {
    const line = document.createElement("span");
    line.className = "away";
    line.textContent = text;
    one("#toasts").append(line);
    setTimeout(() => line.remove(), 5000);
  };

  // The connection: shown beside the settings; a banner says since when the page stands still.
  let lostAt = null;
  let bannerTimer = null;
  const connection = (state) => {
    const shown = one("#connection");
    const text = t(state === "live" ? "connection-on" : navigator.onLine ? "connection-off" : "connection-none");
    const line = one(".connection-text", shown);
    root.dataset.connection = state;
    shown.hidden = false;
    if (line.textContent !== text) line.textContent = text;
    clearTimeout(bannerTimer);
    if (state === "live") {
      lostAt = null;
      one("#offline").hidden = true;
      return;
    }
    lostAt ??= now();
    // A reconnect of a second or two is nothing to tell.
    bannerTimer = setTimeout(() => {
      const banner = one("#offline");
      const text = t("offline-text", { time: clockTime(lostAt) });
      if (banner.textContent !== text) banner.textContent = text;
      banner.hidden = false;
    }, Math.max(0, 3000 - (now() - lostAt)));
  };
  const signedOut = () => {
    const dialog = one("#signed-out");
    if (!dialog.open) dialog.showModal();
  };

  const alertsOpen = (count) => {
    const shown = one("#alerts-open");
    if (!shown) return;
    shown.hidden = !count;
    shown.textContent = String(count);
  };

  // Single keys. A letter is meant by its place on the keyboard where the layout has no Latin letters.
  const KEYS_OFF = "voicepipe-keys-off";
  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch { /* a browser without storage forgets it */ } };
  const bound = new Map();
  const keys = (handlers) => { for (const [key, handler] of Object.entries(handlers)) bound.set(key, handler); };
  const keyOf = (event) => {
    const letter = /^Key([A-Z])$/.exec(event.code);
    return letter && !/^[a-z]$/i.test(event.key) ? letter[1].toLowerCase() : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  };
  const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]");
  const places = { l: "live", a: "alerts", h: "history", q: "quality" };
  let went = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of all("details.menu[open]")) { menu.open = false; one("summary", menu).focus(); }
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (typing(event.target) || one("dialog[open]") || stored(KEYS_OFF)) return;
    const key = keyOf(event);
    const place = went && Date.now() - went < 1500 ? one(`[data-nav="${CSS.escape(places[key] ?? "-")}"]`) : null;
    went = 0;
    if (place) { event.preventDefault(); place.click(); return; }
    const handler = bound.get(key);
    if (!handler) return;
    event.preventDefault();
    handler(event);
  });
  const help = () => one("#help")?.showModal();
  keys({
    "?": help,
    g: () => { went = Date.now(); },
  });

  // Copying.
  const copy = async (button) => {
    const source = one(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value ?? source.innerText);
      toast(t("copied"));
    } catch {
      // Without https a page has no clipboard of its own; the old way still works there.
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      toast(document.execCommand("copy") ? t("copied") : t("copy-failed"));
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  // stream.js says "live" or "lost".
  document.addEventListener("voicepipe:connection", (event) => connection(event.detail.state));
  document.addEventListener("htmx:afterSwap", (event) => times(event.target));
  document.addEventListener("htmx:sendError", () => toast(t("request-failed"), "error"));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401) signedOut();
    else toast(t(status === 403 ? "request-refused" : "request-failed"), "error");
  });
  // An answer may carry `HX-Trigger: {"toast": {"text": "...", "kind": "warning"}}`.
  document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.kind));
  window.addEventListener("offline", () => { if (root.dataset.connection) connection("lost"); });

  one("#help-open")?.addEventListener("click", help);
  // What may wait until the page is there.
  const later = (work) => {
    if (document.readyState === "complete") work();
    else window.addEventListener("load", () => setTimeout(work));
  };
  const single = one("#single-keys");
  if (single) later(() => {
    single.checked = !stored(KEYS_OFF);
    single.addEventListener("change", () => store(KEYS_OFF, single.checked ? null : "1"));
  });
  // A filter that has no room of its own opens on demand, and shows there whether it is in use.
  const more = one(".filters-open");
  if (more) {
    const form = more.closest("form");
    const isUsed = (field) => field.checked || (field.value && field.options?.[0].value === "");
    const mark = () => more.classList.toggle("chosen", all(".filters-more :is(select, input)", form).some(isUsed));
    more.addEventListener("click", () => more.setAttribute("aria-expanded", String(more.getAttribute("aria-expanded") === "false")));
    form.addEventListener("input", mark);
    form.addEventListener("reset", () => setTimeout(mark));
    setTimeout(mark);
  }
  // Paper is white: what is drawn by script in the page's colours is drawn again for it.
  let themeOnScreen = "";
  window.addEventListener("beforeprint", () => { themeOnScreen = root.dataset.theme; root.dataset.theme = "light"; });
  window.addEventListener("afterprint", () => { root.dataset.theme = themeOnScreen; });
  const preferences = one("#preferences");
  preferences?.addEventListener("change", (event) => {
    if (event.target.name === "theme") root.dataset.theme = event.target.value;
    preferences.requestSubmit();
  });
  times();

  return { t, locale, now, later, times, toast, announce, connection, signedOut, alertsOpen, keys, stored, store };
})();
