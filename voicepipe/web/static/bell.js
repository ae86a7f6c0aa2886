// Tells of new alerts: the count in the menu, and if the person wants it a tone and a notification of the desktop.
// Both are off until they are switched on, and remembered by this browser. Of several open pages one rings.
"use strict";

(() => {
  const voicepipe = window.voicepipe;
  const SOUND = "voicepipe-sound";
  const NOTIFY = "voicepipe-notify";
  const FRESH_MS = 120_000;
  const sound = document.getElementById("bell-sound");
  const notify = document.getElementById("bell-notify");
  const known = new Set();
  let isFirst = true;
  let audio = null;
  let holdsBell = !navigator.locks; // Without https a browser has no locks: each page rings for itself.

  navigator.locks?.request("voicepipe-bell", () => { holdsBell = true; return new Promise(() => {}); });
  const wantsSound = () => voicepipe.stored(SOUND) === "1";
  const wantsNotice = () => voicepipe.stored(NOTIFY) === "1" && "Notification" in window && Notification.permission === "granted";
  voicepipe.isBell = () => holdsBell && (wantsSound() || wantsNotice());

  // Browsers let a page sound only after somebody has touched it.
  const wake = () => {
    if (!wantsSound()) return;
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume();
  };
  document.addEventListener("pointerdown", wake);
  document.addEventListener("keydown", wake);

  const ring = () => {
    if (!audio || audio.state !== "running") return;
    [[660, 0], [880, 0.16]].forEach(([hz, afterS]) => {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const at = audio.currentTime + afterS;
      tone.frequency.value = hz;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.18, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.3);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.32);
    });
    document.documentElement.dataset.rang = String(Number(document.documentElement.dataset.rang ?? 0) + 1);
  };

  const show = (alert) => {
    // No words of the caller: a notification is seen by whoever passes the desk.
    const body = alert.queue ? voicepipe.t("bell-text", { queue: alert.queue }) : voicepipe.t("bell-text-plain");
    const note = new Notification(voicepipe.t("bell-title"), { body, tag: alert.event_id, lang: document.documentElement.lang });
    note.onclick = () => { window.focus(); location.href = `/console/alerts#alert-${alert.event_id}`; };
  };

  document.body.addEventListener("voicepipe:alerts", ({ detail }) => {
    voicepipe.alertsOpen(detail.unhandled);
    const fresh = detail.alerts.filter((alert) => !known.has(alert.event_id) && !alert.is_handled && Date.parse(detail.now) - Date.parse(alert.requested_at) < FRESH_MS);
    for (const alert of detail.alerts) known.add(alert.event_id);
    if (!isFirst && fresh.length && holdsBell) {
      if (wantsSound()) ring();
      if (wantsNotice()) fresh.forEach(show);
    }
    isFirst = false;
  });

  voicepipe.later(() => {
    sound.checked = wantsSound();
    notify.checked = wantsNotice();
  });
  sound.addEventListener("change", () => {
    voicepipe.store(SOUND, sound.checked ? "1" : null);
    wake();
    if (sound.checked) audio.resume().then(ring);
  });
  notify.addEventListener("change", async () => {
    if (notify.checked && "Notification" in window && Notification.permission !== "granted") await Notification.requestPermission();
    voicepipe.store(NOTIFY, notify.checked ? "1" : null);
    if (notify.checked && !wantsNotice()) {
      notify.checked = false;
      voicepipe.store(NOTIFY, null);
      voicepipe.toast(voicepipe.t("bell-refused"), "warning");
    }
  });
})();
