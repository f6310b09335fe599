// Light or dark, before anything is drawn: what was chosen here before, else what the system says. Not a module, so that it runs
// at once.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('meterbase-theme');
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
