// One user: the score and what it is made of, what was done, what may go wrong, and why.

import {contributionChart} from "/page/charts.js";
import {ask} from "/page/live.js";
import {alertRow} from "/page/now.js";
import {count, el, panel, percent, points, said, short, span, table, text, userLink} from "/page/words.js";

const AGAIN_MS = 3000;

export function mount(root, live, id) {
  const field = el("input", {name: "id", type: "search", "aria-label": "User id", placeholder: "User id, or anon: and the anonymous id", value: id ?? "", autocomplete: "off", spellcheck: "false", maxlength: "300"});
  const form = el("form.search", {role: "search"}, field, el("button.solid", {type: "submit"}, "Look up"));
  const body = el("div", null);
  root.replaceChildren(el("h1.title", null, "Users"), form, body);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) location.hash = `#/users/${encodeURIComponent(field.value.trim())}`;
  });
  if (id === undefined) return begin(body, live);
  let chart = null, timer = null, gone = false, mark = "";
  text(body, "");
  body.append(el("p.empty", {role: "status"}, "Loading"));

  async function look() {
    try {
      const path = `/v1/users/${encodeURIComponent(id)}`;
      const [profile, past] = await Promise.all([ask(path), ask(`/v1/alerts?${new URLSearchParams({user_id: id, limit: 20})}`)]);
      const next = JSON.stringify([profile, past.found, past.alerts.map((alert) => alert.status)]);
      if (!gone && next !== mark) {
        mark = next;
        chart?.dispose();
        chart = tell(body, profile, past.alerts);
      }
    } catch (wrong) {
      if (gone) return;
      chart?.dispose();
      chart = null;
      mark = "";
      body.replaceChildren(el("p.empty", {role: "status"}, wrong.status === 404 ? `Nobody has seen ${id}. For somebody who never signed in: anon: and the anonymous id.` : wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  look();
  return {paint() {}, news() {}, leave() { gone = true; clearTimeout(timer); chart?.dispose(); }};
}

// Without a user: people to begin with.
function begin(body, live) {
  const chips = el("div.chips");
  body.append(el("p.muted", null, "Somebody who needs attention, or has just moved:"), chips);
  function paint() {
    if (chips.childElementCount || !live.now) return;
    const ids = new Set([...live.firing().slice(0, 8).map((alert) => alert.user_id), ...live.now.movers.up.map((move) => move.user_id)]);
    chips.replaceChildren(...[...ids].map((id) => el("a", {href: `#/users/${encodeURIComponent(id)}`}, id)));
    if (!ids.size) body.replaceChildren(el("p.empty", null, "Nobody has a score yet."));
  }
  return {paint, news() {}, leave() {}};
}

function judged(title, note, it, figure) {
  const rows = it.reasons.filter((reason) => reason.contribution || reason.code === "activity_ratio")
    .map((reason) => [reason.contribution ? `${reason.contribution > 0 ? "+" : "−"}${figure(Math.abs(reason.contribution))}` : "·", {left: reason.text}]);
  return panel(".half", title, el("span.unit", null, `alert from ${figure(it.on)}, over below ${figure(it.off)}`),
    el("p.lead", null, el("strong", null, figure(it.value))), el("div.reasons", null, table(["adds", {left: "because"}], rows, [figure(it.sum), {left: "sum"}])));
}

function windows(profile) {
  const names = Object.keys(profile.windows);
  const types = Object.keys(profile.lifetime).sort((a, b) => profile.lifetime[b] - profile.lifetime[a]);
  const shown = [...types.filter((type) => type !== "revenue_minor"), ...types.filter((type) => type === "revenue_minor")];
  const figure = (type, n) => (!n ? "·" : type === "revenue_minor" ? (n / 100).toLocaleString("en", {minimumFractionDigits: 2}) : count(n));
  const rows = shown.map((type) => [type === "revenue_minor" ? "revenue" : said(type), ...names.map((name) => figure(type, profile.windows[name][type])), figure(type, profile.lifetime[type])]);
  return panel("", "Activity", el("span.unit", null, "events; revenue in major units"), table(["event", ...names, "ever"], rows));
}

function tell(body, profile, past) {
  const parts = profile.score.contributions.filter((part) => part.points);
  const root = el("div.chart.low");
  const steps = profile.ahead.map((step) => el("li", null, el("time", {datetime: step.at}, short(step.at)), el("span", null, `${step.at_ms > profile.as_of_ms ? `in ${span(step.at_ms - profile.as_of_ms)}` : "due now"}: ${step.what}`)));
  body.replaceChildren(el("div.grid", null,
    el("section.panel", null,
      el("div.lead", null, el("span.score", null, points(profile.score.engagement_score)), el("strong", null, `${profile.score.band}, of 100`), userLink(profile.user_id), el("span.muted.small", null, `as of ${short(profile.as_of)} UTC, first seen ${profile.first_seen}`)),
      el("p", null, profile.summary)),
    panel(".half", "What the score rests on", el("span.unit", null, "last 7 days"), parts.length ? root : el("p.empty", null, profile.made_of), parts.length ? el("p.small.muted", null, profile.made_of) : null),
    panel(".half", "If they stay away", el("span.unit", null, "UTC"), steps.length ? el("ul.steps", null, ...steps) : el("p.empty", null, "Time alone will change nothing.")),
    judged(`Chance of leaving within ${count(profile.score.churn_horizon_days)} days`, null, profile.churn, percent),
    judged("Engagement drop", null, profile.drop, (x) => x.toFixed(2)),
    windows(profile),
    panel("", "Alerts", null, past.length ? el("ul.rows", null, ...past.map((alert) => alertRow(alert, {full: true}))) : el("p.empty", null, "None, as far back as alerts are kept."))));
  return parts.length ? contributionChart(root, parts) : null;
}
