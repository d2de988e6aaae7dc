// Runs before the first paint, so that a dark page never flashes white.
(() => {
  let chosen = "auto";
  try { chosen = JSON.parse(localStorage.getItem("_x_adminTheme") || '"auto"'); } catch { /* storage is off */ }
  const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.add(dark ? "dark" : "light");
})();
