// Before anything is drawn: light or dark, as chosen before, else as the system has it.
document.documentElement.dataset.theme = (() => {
  try {
    const chosen = localStorage.getItem("voicepipe-theme");
    if (chosen === "light" || chosen === "dark") return chosen;
  } catch {
    // A page from a file share may have no storage.
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
})();
