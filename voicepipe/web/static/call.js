// A call's page: draws the timeline, keeps the transcript up to date, and goes from a moment to its words.
"use strict";

(() => {
  const voicepipe = window.voicepipe;
  const t = voicepipe.t;
  const root = document.getElementById("call");
  const lines = document.getElementById("lines");
  const holder = document.getElementById("timeline");
  const here = root.dataset.call;
  const CHANNELS = ["caller", "agent", "mixed"];
  const MOST_LINES = 800;
  const RAISED = 0.35;
  const HIGH = 0.65;
  const STORY_EVERY_MS = 6000;

  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
    return h ? `${h}:${String(m).padStart(2, "0")}:${String(s).padStart(2, "0")}` : `${m}:${String(s).padStart(2, "0")}`;
  };
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const levelOf = (stress) => (stress === null ? "unknown" : stress >= HIGH ? "high" : stress >= RAISED ? "raised" : "calm");

  // The words of a moment.
  let chosen = null;
  const choose = (line) => {
    chosen?.classList.remove("chosen");
    chosen = line;
    if (!line) return;
    line.classList.add("chosen");
    line.scrollIntoView({ block: "nearest" });
    line.focus({ preventScroll: true });
  };
  const lineAt = (seconds) => {
    let found = null;
    for (const line of lines.children) {
      if (Number(line.dataset.start) > seconds + 0.01) break;
      found = line;
    }
    return found;
  };
  const seek = (seconds) => {
    const first = lines.firstElementChild;
    const last = lines.lastElementChild;
    const before = !first || seconds < Number(first.dataset.start) - 0.01;
    const after = root.dataset.atEnd !== "1" && last && seconds > Number(last.dataset.start);
    if (first && before && !document.querySelector('.transcript-more [rel="prev"]')) return choose(first);
    if (before || after) location.search = `?at=${seconds.toFixed(1)}`;
    else choose(lineAt(seconds));
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-seek]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    unfollow();
    seek(Number(link.dataset.seek));
  });

  // Copying is noted, also where the page is left at once.
  const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#handoff-copy")) return;
    fetch(`/console/call/copied/${here}`, { method: "POST", keepalive: true, headers: { "X-CSRF-Token": csrf } })
      .then((answer) => { if (answer.status === 401) voicepipe.signedOut(); })
      .catch(() => voicepipe.toast(t("request-failed"), "error"));
  });

  // The picture. uPlot gives the axes, the cursor and the zoom; the lanes are drawn here.
  const data = { length_s: 1, caller: [], agent: [], episodes: [] };
  let plot = null;
  const probe = document.createElement("span");
  document.body.append(probe);
  probe.className = "away";
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  let colours = {};
  const readColours = () => {
    colours = Object.fromEntries(["ink", "soft", "rule", "rule-strong", "calm", "raised", "high", "high-wash", "agent", "accent", "faint"].map((name) => [name, colour(name)]));
  };
  const lane = (context, plotted, spans, low, high, fill) => {
    const [top, bottom] = [plotted.valToPos(high, "y", true), plotted.valToPos(low, "y", true)];
    context.fillStyle = fill;
    for (const [start, end] of spans) {
      const left = plotted.valToPos(start, "x", true);
      context.fillRect(left, top, Math.max(1, plotted.valToPos(end, "x", true) - left), bottom - top);
    }
  };
  const drawBelow = (plotted) => {
    const { ctx: context, bbox } = plotted;
    context.save();
    context.beginPath();
    context.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    context.clip();
    for (const [opened, closed] of data.episodes) {
      const left = plotted.valToPos(opened, "x", true);
      const right = plotted.valToPos(closed ?? data.length_s, "x", true);
      context.fillStyle = colours["high-wash"];
      context.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
      context.strokeStyle = colours.high;
      context.lineWidth = devicePixelRatio;
      context.setLineDash([]);
      for (const edge of closed === null ? [left] : [left, right]) {
        context.beginPath();
        context.moveTo(edge, bbox.top);
        context.lineTo(edge, bbox.top + bbox.height);
        context.stroke();
      }
    }
    context.strokeStyle = colours["rule-strong"];
    context.lineWidth = devicePixelRatio;
    context.setLineDash([devicePixelRatio, 3 * devicePixelRatio]);
    for (const mark of [RAISED, HIGH]) {
      const y = Math.round(plotted.valToPos(mark, "y", true));
      context.beginPath();
      context.moveTo(bbox.left, y);
      context.lineTo(bbox.left + bbox.width, y);
      context.stroke();
    }
    context.setLineDash([]);
    lane(context, plotted, data.caller, -0.14, -0.06, colours.accent);
    lane(context, plotted, data.agent, -0.26, -0.18, colours.agent);
    context.lineJoin = "round";
    context.lineWidth = 1.5 * devicePixelRatio;
    context.strokeStyle = colours.faint;
    context.beginPath();
    let open = false;
    for (const [start, end, stress] of data.caller) {
      if (stress === null) { open = false; continue; }
      const y = plotted.valToPos(stress, "y", true);
      context[open ? "lineTo" : "moveTo"](plotted.valToPos(start, "x", true), y);
      context.lineTo(plotted.valToPos(end, "x", true), y);
      open = true;
    }
    context.stroke();
    context.lineWidth = 4 * devicePixelRatio;
    context.lineCap = "round";
    for (const [start, end, stress] of data.caller) {
      if (stress === null) continue;
      const y = plotted.valToPos(stress, "y", true);
      context.strokeStyle = colours[levelOf(stress)];
      context.beginPath();
      context.moveTo(plotted.valToPos(start, "x", true), y);
      context.lineTo(plotted.valToPos(end, "x", true), y);
      context.stroke();
    }
    context.restore();
  };
  const at = (spans, seconds) => spans.find(([start, end]) => start <= seconds && seconds <= end);
  const read = (plotted) => {
    const shown = document.getElementById("timeline-read");
    const left = plotted.cursor.left;
    if (left === undefined || left === null || left < 0) { shown.textContent = t("call-timeline-hint"); return; }
    const seconds = plotted.posToVal(left, "x");
    const said = at(data.caller, seconds);
    const time = clock(seconds);
    if (said) shown.textContent = t("call-read-caller", { time, level: t(`level-${levelOf(said[2])}`), percent: said[2] === null ? "–" : percent.format(said[2]) });
    else shown.textContent = t(at(data.agent, seconds) ? "call-read-agent" : "call-read-silent", { time });
  };
  const NAMES = new Map([[-0.22, "channel-agent"], [-0.1, root.dataset.countMixed ? "channel-mixed" : "channel-caller"], [RAISED, "level-raised"], [HIGH, "level-high"]]);
  const size = () => ({ width: Math.max(240, holder.clientWidth), height: holder.clientHeight });
  const whole = () => [[0, Math.max(1, data.length_s)], [0, 1]];
  const draw = () => {
    readColours();
    const narrow = holder.clientWidth < 480;
    const font = `${narrow ? 11 : 12}px ${getComputedStyle(document.body).fontFamily}`;
    plot?.destroy();
    plot = new uPlot({
      ...size(),
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: true }, points: { show: false } },
      scales: { x: { time: false }, y: { range: [-0.28, 1] } },
      axes: [
        { stroke: () => colours.soft, font, size: 30, gap: 4, grid: { show: false }, ticks: { stroke: () => colours.rule, size: 4 }, values: (_, splits) => splits.map(clock), space: 56, incrs: [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600] },
        { stroke: () => colours.soft, font, grid: { show: false }, ticks: { show: false }, size: narrow ? 76 : 104, splits: () => [...NAMES.keys(), 1], values: (_, splits) => splits.map((value) => (NAMES.has(value) ? t(NAMES.get(value)) : percent.format(value))) },
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { drawClear: [], drawAxes: [drawBelow], setCursor: [read] },
    }, whole(), holder);
    const over = holder.querySelector(".u-over");
    let pressedAt = null;
    over.addEventListener("pointerdown", (event) => { pressedAt = event.clientX; });
    over.addEventListener("pointerup", (event) => {
      if (pressedAt !== null && Math.abs(event.clientX - pressedAt) < 4) {
        unfollow();
        seek(plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x"));
      }
      pressedAt = null;
    });
    root.dataset.drawn = String(data.caller.length);
  };
  const redraw = () => {
    if (!plot) return;
    const { min, max } = plot.scales.x;
    const isWhole = min <= 0.01 && max >= plot.data[0][1] - 0.01;
    plot.setData(whole(), isWhole);
    if (!isWhole) plot.redraw();
    root.dataset.drawn = String(data.caller.length);
  };
  if (holder) {
    fetch(`/console/call/timeline/${here}`, { headers: { accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(String(answer.status)))))
      .then((drawn) => { take(drawn); draw(); })
      .catch(() => voicepipe.toast(t("request-failed"), "error"));
    let width = holder.clientWidth;
    new ResizeObserver(() => {
      if (plot && holder.clientWidth !== width) { width = holder.clientWidth; draw(); }
    }).observe(holder);
    const recolour = () => { if (plot) { readColours(); plot.redraw(); } };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }
  const known = new Set();
  const merge = (to, from, name) => {
    for (const span of from) {
      const key = `${name}-${span[0]}-${span[1]}`;
      if (known.has(key)) continue;
      known.add(key);
      let place = to.length;
      while (place > 0 && to[place - 1][0] > span[0]) place -= 1;
      to.splice(place, 0, span);
    }
  };
  const take = (drawn) => {
    data.length_s = Math.max(data.length_s, drawn.length_s);
    merge(data.caller, drawn.caller, "caller");
    merge(data.agent, drawn.agent, "agent");
    data.episodes = drawn.episodes;
  };

  // What comes while the call goes on.
  const follow = document.getElementById("follow");
  const unfollow = () => { if (follow) follow.checked = false; };
  const box = document.getElementById("transcript-box");
  const scrolls = () => box.scrollHeight > box.clientHeight + 1;
  // Where the transcript has no scroll bar of its own, on a phone, following scrolls the page: only once it is asked for.
  let asked = false;
  const toEnd = () => {
    if (!follow?.checked) return;
    if (scrolls()) box.scrollTop = box.scrollHeight;
    else if (asked) lines.lastElementChild?.scrollIntoView({ block: "nearest" });
  };
  for (const kind of ["wheel", "touchmove"]) box.addEventListener(kind, unfollow, { passive: true });
  follow?.addEventListener("change", () => { asked = follow.checked; toEnd(); });

  const put = (html) => {
    const parsed = document.createElement("template");
    parsed.innerHTML = html.trim();
    const fresh = parsed.content.firstElementChild;
    const old = document.getElementById(fresh.id);
    if (old) { old.replaceWith(fresh); return; }
    let before = null;
    for (let line = lines.lastElementChild; line && Number(line.dataset.start) > Number(fresh.dataset.start); line = line.previousElementSibling) before = line;
    lines.insertBefore(fresh, before);
  };
  const replace = (element, html) => {
    if (element.innerHTML === html) return;
    element.innerHTML = html;
    voicepipe.times(element);
  };

  let alertMark = "";
  let storyAt = Date.now();
  let storyDue = false;
  const refreshStory = () => {
    const story = document.getElementById("story");
    // Whoever has the focus in there, or has marked words to copy, keeps them.
    const marked = getSelection();
    const busy = story.contains(document.activeElement) || (marked && !marked.isCollapsed && story.contains(marked.anchorNode));
    if (!storyDue || busy || Date.now() - storyAt < STORY_EVERY_MS) return;
    storyDue = false;
    storyAt = Date.now();
    window.htmx.trigger(story, "voicepipe:again");
  };
  setInterval(refreshStory, 2000);

  // Where it cannot be told, that is said in its place, and it is asked for again.
  const failed = (event) => {
    if (event.target.id !== "story") return;
    storyDue = true;
    storyAt = Date.now();
    event.target.querySelector(".skeleton")?.replaceWith(document.getElementById("story-failed").content.cloneNode(true));
  };
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);

  let running = false;
  let again = false;
  const news = async () => {
    if (running) { again = true; return; }
    running = true;
    try {
      const query = new URLSearchParams({ epoch: root.dataset.epoch, alerts: alertMark });
      for (const channel of CHANNELS) {
        const count = root.getAttribute(`data-count-${channel}`);
        if (count) query.set(channel, count);
      }
      const answer = await fetch(`/console/call/news/${here}?${query}`, { headers: { accept: "application/json" } });
      if (answer.status === 401) { voicepipe.signedOut(); return; }
      if (answer.status === 404) { location.reload(); return; }
      if (!answer.ok) return;
      const told = await answer.json();
      if (told.reload) { location.reload(); return; }
      for (const [channel, count] of Object.entries(told.counts)) root.setAttribute(`data-count-${channel}`, count);
      if (told.timeline.episodes.length > data.episodes.length) voicepipe.announce(t("call-new-episode"));
      take(told.timeline);
      redraw();
      if (root.dataset.atEnd === "1") {
        told.lines.forEach(put);
        while (lines.childElementCount > MOST_LINES) lines.firstElementChild.remove();
        document.getElementById("lines-empty").hidden = lines.childElementCount > 0;
        if (told.lines.length) toEnd();
      }
      replace(document.getElementById("call-facts"), told.facts);
      const episodes = document.getElementById("episodes");
      if (!episodes.contains(document.activeElement)) replace(episodes, told.episodes);
      const alerts = document.getElementById("call-alerts");
      if (told.alerts.html !== null) {
        const held = document.activeElement?.closest?.("#call-alerts [data-alert]");
        const act = held && document.activeElement.dataset.act;
        replace(alerts, told.alerts.html);
        document.dispatchEvent(new Event("voicepipe:cards"));
        if (held) {
          const same = document.getElementById(held.id);
          (same?.querySelector(`[data-act="${act}"]`) ?? same)?.focus({ preventScroll: true });
        }
      }
      alertMark = told.alerts.mark;
      if (told.lines.length || (root.dataset.live === "1") !== told.live) storyDue = true;
      root.dataset.live = told.live ? "1" : "0";
      refreshStory();
    } catch {
      // The stream says that the server is away, and calls again when it is back.
    } finally {
      running = false;
      if (again) { again = false; news(); }
    }
  };
  document.body.addEventListener("voicepipe:call", news);
  document.addEventListener("voicepipe:connection", (event) => { if (event.detail.state === "live") news(); });

  // Keys.
  const step = (by) => () => {
    unfollow();
    const now = document.activeElement?.closest?.("#lines > .line") ?? chosen;
    choose(now ? (by > 0 ? now.nextElementSibling : now.previousElementSibling) ?? now : lines.firstElementChild);
  };
  const nextEpisode = () => {
    const opened = data.episodes.map(([start]) => start);
    if (!opened.length) return;
    unfollow();
    const now = chosen ? Number(chosen.dataset.start) : -1;
    seek(opened.find((start) => start > now + 0.01) ?? opened[0]);
  };
  voicepipe.keys({
    e: nextEpisode,
    j: step(1),
    k: step(-1),
    c: () => document.getElementById("handoff-copy")?.click(),
    f: () => follow?.click(),
  });

  const wanted = new URLSearchParams(location.search).get("at");
  if (location.hash.startsWith("#u-")) choose(document.getElementById(location.hash.slice(1)));
  else if (wanted) choose(lineAt(Number(wanted)));
  else toEnd();
})();
