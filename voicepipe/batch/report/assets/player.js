// Plays the recording from the file beside the report. What is playing is told to `onTime(seconds, playing)`.

const ICONS = { play: "M2 1l11 6-11 6z", pause: "M2 1h3.6v12H2zM8.4 1H12v12H8.4z" };
const icon = (name) => svg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
let player = null;

function makePlayer(source, path, duration, onTime) {
  const audio = el("audio", { preload: "metadata" });
  const button = el("button", { class: "play", "aria-label": WORDS.call.play }, icon("play"));
  const position = el("input", { type: "range", min: "0", max: String(Math.max(0.1, duration)), step: "0.1", value: "0", "aria-label": WORDS.call.position });
  const time = el("span", { class: "soft nowrap" }, `${clock(0)} / ${clock(duration)}`);
  const speed = el("select", { "aria-label": WORDS.call.speed }, ["0.75", "1", "1.25", "1.5", "2"].map((rate) => el("option", { value: rate, selected: rate === "1" }, `${rate}×`)));
  const notice = el("p", { class: "notice", role: "status", hidden: true });
  let frame = 0;
  let wanted = null;

  const tell = () => {
    position.value = String(audio.currentTime);
    position.setAttribute("aria-valuetext", clock(audio.currentTime));
    time.textContent = `${clock(audio.currentTime)} / ${clock(duration)}`;
    onTime(audio.currentTime, !audio.paused);
  };
  const run = () => {
    tell();
    frame = audio.paused ? 0 : requestAnimationFrame(run);
  };
  const shows = () => {
    button.replaceChildren(icon(audio.paused ? "play" : "pause"));
    button.setAttribute("aria-label", audio.paused ? WORDS.call.play : WORDS.call.pause);
    if (!audio.paused && !frame) run();
  };
  const missing = () => {
    button.disabled = true;
    const pick = el("input", { type: "file", accept: "audio/*,video/*", class: "away" });
    pick.addEventListener("change", () => {
      if (!pick.files.length) return;
      button.disabled = false;
      notice.hidden = true;
      audio.src = URL.createObjectURL(pick.files[0]);
    });
    notice.replaceChildren(source ? WORDS.call.noFile(path) : WORDS.call.noAudio, el("label", {}, pick, WORDS.call.pick));
    notice.hidden = false;
  };
  const play = () => audio.play().catch(() => audio.error && missing());
  const seek = (t, andPlay) => {
    if (audio.readyState === 0) wanted = t;
    else audio.currentTime = t;
    onTime(t, !audio.paused);
    position.value = String(t);
    time.textContent = `${clock(t)} / ${clock(duration)}`;
    if (andPlay && !button.disabled) play();
  };

  audio.addEventListener("loadedmetadata", () => {
    if (wanted !== null) audio.currentTime = wanted;
    wanted = null;
  });
  audio.addEventListener("error", missing);
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, shows);
  for (const name of ["seeked", "timeupdate"]) audio.addEventListener(name, tell);
  button.addEventListener("click", () => (audio.paused ? play() : audio.pause()));
  position.addEventListener("input", () => seek(Number(position.value), false));
  speed.addEventListener("change", () => {
    audio.playbackRate = Number(speed.value);
  });
  if (source) audio.src = source;
  else missing();
  return {
    node: [el("div", { class: "player" }, button, time, position, speed, audio), notice],
    seek,
    toggle: () => !button.disabled && button.click(),
    stop() {
      audio.pause();
      audio.removeAttribute("src");
    },
  };
}
