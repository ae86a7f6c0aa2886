// Alerts: the inbox keeps itself up to date; one key or click takes, judges or notes, here and on a call's page.
"use strict";

(() => {
  const voicepipe = window.voicepipe;
  const inbox = document.getElementById("inbox");
  const dialog = document.getElementById("note");
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
  const cards = () => [...document.querySelectorAll("[data-alert]")];
  const card = (id) => document.getElementById(`alert-${id}`);
  const wordOf = (value) => value.replace("_", "-");
  const clock = (at) => new Intl.DateTimeFormat(voicepipe.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(at);

  // A card is the same for all who may judge it; who took it sees "give back" there, and so does who may give back any.
  const own = (one) => {
    const release = one.querySelector('[data-act="release"]');
    if (!release) return;
    const isMine = one.dataset.takenBy === document.body.dataset.person;
    release.hidden = !isMine && !("releasesAny" in document.body.dataset);
    one.querySelector('[data-act="take"]').hidden = isMine;
  };

  const put = (id, html) => {
    const old = card(id);
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    const fresh = parsed.content.firstElementChild;
    if (old) {
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const act = focused?.dataset.act;
      old.replaceWith(fresh);
      own(fresh);
      if (focused) (focused !== old && fresh.querySelector(act ? `[data-act="${act}"]:not([hidden])` : "a") || fresh).focus({ preventScroll: true });
    } else {
      own(fresh);
      inbox?.append(fresh);
    }
    voicepipe.times(fresh);
  };

  // Unhandled on top, then the newest. The one that somebody is at stays where it is until they leave it.
  const order = (one, other) => one.dataset.handled - other.dataset.handled || other.dataset.at - one.dataset.at || (one.id < other.id ? -1 : 1);
  const arrange = () => {
    if (!inbox) return;
    const all = [...inbox.children];
    const held = inbox.querySelector(":hover, :focus-within")?.closest("[data-alert]") ?? null;
    const sorted = all.filter((one) => one !== held).sort(order);
    if (held) sorted.splice(all.indexOf(held), 0, held);
    let place = inbox.firstElementChild;
    for (const one of sorted) {
      if (one === held) while (place !== held) { const next = place.nextElementSibling; inbox.append(place); place = next; }
      if (one === place) place = place.nextElementSibling;
      else inbox.insertBefore(one, place);
    }
    document.getElementById("inbox-empty").hidden = inbox.childElementCount > 0;
  };

  document.addEventListener("voicepipe:cards", () => cards().forEach(own));
  document.body.addEventListener("voicepipe:alerts", ({ detail }) => {
    if (!inbox) return; // A call's page asks for its own alerts.
    const ids = new Set(detail.alerts.map((alert) => alert.event_id));
    const gone = detail.all ? cards().map((one) => one.dataset.alert).filter((id) => !ids.has(id)) : detail.gone;
    for (const id of gone) card(id)?.remove();
    for (const alert of detail.alerts) if (alert.html) put(alert.event_id, alert.html);
    arrange();
  });
  inbox?.addEventListener("pointerleave", arrange);
  document.body.addEventListener("voicepipe:state", ({ detail }) => {
    document.getElementById("store-away").hidden = detail.store === "ok";
  });

  const post = async (id, path, fields = {}) => {
    let answer;
    try {
      answer = await fetch(`/console/alerts/${id}/${path}`, {
        method: "POST",
        headers: { "X-CSRF-Token": csrf, accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(fields),
      });
    } catch {
      voicepipe.toast(voicepipe.t("request-failed"), "error");
      return;
    }
    if (answer.status === 401) return voicepipe.signedOut();
    if (answer.status === 404) { card(id)?.remove(); return voicepipe.toast(voicepipe.t("alerts-gone"), "warning"); }
    if (answer.status === 503) return voicepipe.toast(voicepipe.t("alerts-store-away"), "error");
    if (answer.status === 403) return voicepipe.toast(voicepipe.t("request-refused"), "error");
    if (!answer.ok) return voicepipe.toast(voicepipe.t("request-failed"), "error");
    const told = await answer.json();
    put(id, told.html);
    const word = told.kind === "verdict" ? wordOf(told.verdict) : told.kind;
    if (told.won) voicepipe.toast(voicepipe.t(`alerts-done-${word}`));
    else voicepipe.toast(voicepipe.t(`alerts-lost-${word}`, { name: told.by, time: clock(new Date(told.at)) }), "warning");
  };

  const note = (id) => {
    dialog.dataset.for = id;
    dialog.querySelector("#note-why").textContent = [...card(id).querySelectorAll(".alert-id, .alert-why")].map((one) => one.textContent).join(" · ");
    dialog.showModal();
    dialog.querySelector("textarea").focus();
  };
  const act = (id, what) => {
    if (what === "note") note(id);
    else if (what === "take" || what === "release") post(id, what);
    else post(id, "verdict", { verdict: what });
  };
  dialog?.querySelector("form").addEventListener("submit", () => {
    const field = dialog.querySelector("textarea");
    const text = field.value.trim();
    if (text) post(dialog.dataset.for, "note", { note: text });
    field.value = "";
  });
  dialog?.querySelector("textarea").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) dialog.querySelector("form").requestSubmit();
  });
  dialog?.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-alert] [data-act]");
    if (button) act(button.closest("[data-alert]").dataset.alert, button.dataset.act);
  });

  // Keys work on the alert that has the focus, else on the first.
  const current = () => document.activeElement?.closest("[data-alert]") ?? cards()[0];
  const key = (what) => () => {
    const at = current();
    if (at?.querySelector(`[data-act="${what}"]`)) { at.focus(); act(at.dataset.alert, what); }
  };
  const move = (by) => () => {
    const all = cards();
    const at = all.indexOf(document.activeElement?.closest("[data-alert]"));
    const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  cards().forEach(own);
  voicepipe.keys({ t: key("take"), r: key("release"), y: key("justified"), n: key("false_alarm"), u: key("unsure"), m: key("note") });
  if (inbox) {
    voicepipe.keys({ j: move(1), k: move(-1) });
    inbox.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("[data-alert]")) event.target.querySelector(".alert-call").click();
    });
    if (location.hash.startsWith("#alert-")) document.getElementById(location.hash.slice(1))?.focus();
    arrange();
  }
})();
