// Before anything is painted: the theme that was chosen, or the one of the system.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("outgest.theme");
  } catch (error) {
    // Storage may be switched off; then the system decides.
  }
  var dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
