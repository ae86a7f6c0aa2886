// The page's stream: one connection that comes back by itself, after a restart of the server as after a night's sleep.
// A page names what it wants in <meta name="voicepipe-stream" content="live=1&alerts=brief">; each message arrives as the
// event "voicepipe:NAME" on <body>, its content in `detail`.
"use strict";

(() => {
  const wanted = document.querySelector('meta[name="voicepipe-stream"]');
  if (!wanted) return;
  const NAMES = ["calls", "alerts", "call", "state", "beat"];
  const SILENCE_MS = 40_000; // The server says something every 15 s.
  const HIDDEN_MS = 60_000; // Browsers allow six connections to a server without TLS: pages nobody sees give theirs back.
  const query = new URLSearchParams(wanted.content);
  const voicepipe = window.voicepipe;
  let source = null;
  let heardAt = 0;
  let timer = 0;
  let failures = 0;
  let hiddenTimer = 0;

  const tell = (state) => document.dispatchEvent(new CustomEvent("voicepipe:connection", { detail: { state } }));

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };

  const open = () => {
    close();
    heardAt = Date.now();
    const own = new EventSource(`/console/stream?${query}`);
    source = own;
    for (const name of NAMES) {
      own.addEventListener(name, (event) => {
        if (source !== own) return;
        heardAt = Date.now();
        if (failures || document.documentElement.dataset.connection !== "live") tell("live");
        failures = 0;
        const detail = JSON.parse(event.data);
        if (name === "calls") query.set("last", event.lastEventId);
        if (name === "alerts") query.set("known", detail.mark);
        document.body.dispatchEvent(new CustomEvent(`voicepipe:${name}`, { detail, bubbles: true }));
      });
    }
    own.onerror = () => { if (source === own) lost(); };
  };

  const lost = () => {
    close();
    tell("lost");
    // Not all consoles at the same moment.
    const waitMs = Math.min(10_000, 1000 * 2 ** failures) * (0.6 + 0.4 * Math.random());
    failures += 1;
    timer = setTimeout(async () => {
      if (failures > 1 && (await isSignedOut())) voicepipe.signedOut();
      else open();
    }, waitMs);
  };

  const isSignedOut = async () => {
    try {
      return (await fetch("/api/v1/me", { headers: { accept: "application/json" }, redirect: "manual" })).status === 401;
    } catch {
      return false;
    }
  };

  setInterval(() => { if (source && Date.now() - heardAt > SILENCE_MS) lost(); }, 5000);
  window.addEventListener("online", () => { failures = 0; open(); });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => { if (!voicepipe.isBell?.()) close(); }, HIDDEN_MS);
    else if (!source || Date.now() - heardAt > SILENCE_MS / 2) { failures = 0; open(); }
  });
  // Timers stand still while a laptop sleeps: one that fires much too late has slept.
  let tickAt = Date.now();
  setInterval(() => {
    const now = Date.now();
    if (now - tickAt > 20_000 && !document.hidden) { failures = 0; open(); }
    tickAt = now;
  }, 2000);
  voicepipe.later(open);
})();
