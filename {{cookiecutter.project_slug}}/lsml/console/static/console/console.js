// The console's own behaviour. Every page works without it.

// unfold's components, by name: Alpine's CSP build reads no global function.
document.addEventListener("alpine:init", () => {
  Alpine.data("theme", () => window.theme("auto"));
  for (const name of ["searchForm", "searchDropdown"]) Alpine.data(name, () => window[name]());
  Alpine.data("frame", () => ({
    activeTab: "", // the tab of unfold's forms that is shown; see init
    sidebarMobileOpen: false,
    // unfold's forms read the address in an expression.
    window: { location: { pathname: location.pathname, search: location.search } },
    sidebarDesktopOpen: localStorage.getItem("sidebarDesktopOpen") !== "0",
    init() {
      // The fragment of the address names a tab; without one, the page's first tab.
      this.activeTab = window.getCurrentTab() || this.$root.dataset.firstTab || "";
      this.$watch("sidebarDesktopOpen", (open) => localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"));
    },
  }));
});

// Times in the person's zone; the exact UTC stays in the title.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// <div data-poll="/address" data-every="2">: fetched again every 2 s while the tab is
// visible, until an answer has no data-poll. The page is reloaded when data-state changes.
function poll(element) {
  const again = () => setTimeout(tick, Number(element.dataset.every || 3) * 1000);
  async function tick() {
    if (!element.isConnected) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", tick, { once: true });
      return;
    }
    try {
      const answer = await fetch(element.dataset.poll, { headers: { "X-Fragment": "1" } });
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.body.firstElementChild;
        if (fresh && fresh.dataset.state !== element.dataset.state) {
          location.reload(); // title, buttons and facts of the page change, too
          return;
        }
        if (fresh) {
          element.replaceWith(fresh);
          start(fresh);
          return;
        }
      }
    } catch { /* the server restarts or the network is down: try again */ }
    again();
  }
  again();
}

function start(root) {
  localTimes(root);
  if (root.dataset?.poll) poll(root);
  for (const element of root.querySelectorAll("[data-poll]")) poll(element);
  for (const form of root.querySelectorAll("form[data-autosubmit]")) {
    form.addEventListener("change", (event) => event.target.matches("select") && form.requestSubmit());
    // Empty fields would only lengthen the address.
    form.addEventListener("submit", () => {
      for (const field of form.elements) if (!field.value) field.disabled = true;
    });
  }
}

document.addEventListener("DOMContentLoaded", () => start(document));
