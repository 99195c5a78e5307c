// Light, dark or as the system has it. Runs in the head, before anything is painted, so that
// nothing flashes; the choice stays in this browser.
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const choices = ["system", "light", "dark"];
  const labels = { system: "as the system", light: "light", dark: "dark" };

  function stored() {
    try {
      const value = localStorage.getItem("ace-theme");
      return choices.includes(value) ? value : "system";
    } catch { // storage can be forbidden; the switch then lasts for the page
      return root.dataset.themeChoice || "system";
    }
  }

  function label() {
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.hidden = false;
      button.title = `Theme: ${labels[root.dataset.themeChoice]}`;
      button.setAttribute("aria-label", `${button.title}. Switch`);
    }
  }

  function apply(choice) {
    root.dataset.themeChoice = choice;
    root.dataset.bsTheme = choice === "system" ? (system.matches ? "dark" : "light") : choice;
    label();
  }

  root.dataset.js = "";
  apply(stored());
  system.addEventListener("change", () => apply(stored()));
  document.addEventListener("DOMContentLoaded", label);
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const next = choices[(choices.indexOf(root.dataset.themeChoice) + 1) % choices.length];
    try {
      localStorage.setItem("ace-theme", next);
    } catch { /* forbidden storage: see stored() */ }
    apply(next);
  });
})();
