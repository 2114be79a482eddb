// The inbox: what fires, why, and what would clear it.

import {ask} from "/page/live.js";
import {alertRow, refresh} from "/page/now.js";
import {el, keyed, plural, text} from "/page/words.js";

const choice = (label, name, options) => el("label.small.muted", null, `${label} `, el("select", {name}, ...options.map(([value, shown]) => el("option", {value}, shown))));

export function mount(root, live) {
  const list = el("ul.rows"), more = el("button.plain", {type: "button", hidden: true}, "Older alerts"), state = el("p.empty", {role: "status"}, "Loading");
  const found = el("span.muted", {role: "status"});
  const filters = el("form.filters", {"aria-label": "Filters"},
    choice("Status", "status", [["firing", "firing"], ["resolved", "resolved"], ["", "all"]]),
    choice("Rule", "rule", [["", "all"], ["churn_risk", "churn risk"], ["engagement_drop", "engagement drop"]]),
    choice("Severity", "severity", [["", "all"], ["critical", "critical"], ["high", "high"], ["warning", "warning"], ["info", "info"]]), found);
  root.replaceChildren(el("h1.title", null, "Alerts"), filters, el("section.panel", null, state, list), el("p.empty", null, more));
  let shown = new Map(), cursor = null, asked = 0;

  const chosen = () => Object.fromEntries([...new FormData(filters)].filter(([, value]) => value));
  const fits = (alert) => Object.entries(chosen()).every(([name, value]) => alert[name] === value);

  async function load(next) {
    const mine = ++asked;
    try {
      const page = await ask(`/v1/alerts?${new URLSearchParams({...chosen(), limit: 50, ...(next ? {cursor: next} : {})})}`);
      if (mine !== asked) return;
      if (!next) shown = new Map();
      for (const alert of page.alerts) shown.set(alert.alert_id, alert);
      cursor = page.next;
      text(found, `${plural(page.found, "alert")}${page.whole ? "" : ", and older ones that are no longer here"}`);
      paint();
    } catch (wrong) {
      text(state, wrong.message);
      state.hidden = false;
    }
  }

  function paint() {
    const rows = [...shown.values()].sort((a, b) => (a.starts_at < b.starts_at ? 1 : -1));
    keyed(list, rows, (alert) => `${alert.alert_id} ${alert.status}`, (alert) => alertRow(alert, {full: true}), refresh);
    text(state, "No alert fits.");
    state.hidden = rows.length > 0;
    more.hidden = cursor === null;
  }

  // One that no longer fits stays and shows that it has ended, until the filter is used again: nothing moves away under a finger.
  function news(alerts) {
    for (const alert of alerts) if (fits(alert) || shown.has(alert.alert_id)) shown.set(alert.alert_id, alert);
  }

  filters.addEventListener("change", () => load(null));
  filters.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => load(cursor));
  load(null);
  return {paint: () => shown.size && paint(), news, leave: () => asked++};
}
