// What both pages share: the head with its tools, and light or dark.

const LOGO = "M3 13h2M7 8v10M11 4v18M15 9v8M19 6v14M23 12h2";

function themeNow() {
  return document.documentElement.dataset.theme;
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function watchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  let before = null;
  addEventListener("beforeprint", () => {
    before = themeNow();
    setTheme("light");
  });
  addEventListener("afterprint", () => before && setTheme(before));
  return (theme) => {
    setTheme(theme);
    try {
      localStorage.setItem("voicepipe-theme", theme);
    } catch {
      // A page from a file share may have no storage: the choice then lasts as long as the page.
    }
  };
}

function pageHead(title, subtitle, choose) {
  const words = () => (themeNow() === "dark" ? WORDS.theme.light : WORDS.theme.dark);
  const button = el("button", { class: "quiet", "aria-label": WORDS.theme.name }, words());
  button.addEventListener("click", () => {
    choose(themeNow() === "dark" ? "light" : "dark");
    button.textContent = words();
  });
  return el(
    "div",
    { class: "brand wide" },
    svg("svg", { class: "logo", viewBox: "0 0 28 26", "aria-hidden": "true" }, svg("path", { d: LOGO, stroke: "currentColor", "stroke-width": "2.4", "stroke-linecap": "round", fill: "none" })),
    el("div", { class: "titles" }, el("h1", { class: "any" }, title), el("p", { class: "faint" }, subtitle)),
    el("div", { class: "tools" }, button, el("button", { class: "quiet wordy", onclick: () => print() }, WORDS.print)),
  );
}

/** Begin: unpack, draw, or say kindly why not. */
async function begin(start) {
  const root = document.getElementById("page");
  root.replaceChildren(el("p", { class: "wide empty", role: "status" }, WORDS.loading));
  if (typeof DecompressionStream !== "function") {
    root.replaceChildren(el("p", { class: "wide empty", role: "alert" }, WORDS.old));
    return;
  }
  const choose = watchTheme();
  try {
    await start(root, choose);
    root.setAttribute("data-ready", "");
    requestAnimationFrame(() => setTimeout(() => performance.mark("voicepipe-ready")));
  } catch (error) {
    root.replaceChildren(el("p", { class: "wide empty", role: "alert" }, WORDS.broken));
    throw error;
  }
}
