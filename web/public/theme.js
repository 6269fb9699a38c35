// Runs before the first paint, so that a page that is kept dark does not flash white.
try {
  const theme = localStorage.getItem("nexus.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the theme of the system holds.
}
