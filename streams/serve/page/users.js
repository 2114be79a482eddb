// One user: the score and what it is made of, what was done, what may go wrong, and why.

import {alertRow} from "/page/alert.js";
import {contributionChart, curveChart} from "/page/charts.js";
import {ago, count, counted, date, exact, moment, percent, points, said, signed, span} from "/page/format.js";
import {words} from "/page/language.js";
import {ask, may} from "/page/api.js";
import {broken, el, empty, idSearch, loading, panel, table, unit, userLink} from "/page/nodes.js";

const AGAIN_MS = 3000;
const SHOWN = 12;
const MEMBERS = 8;
const say = words.users;

export function mount(root, live, id) {
  const form = idSearch(say.field, say.hint, say.look, id, (name) => { if (name) location.hash = `#/users/${encodeURIComponent(name)}`; });
  const body = el("div", null);
  root.replaceChildren(el("h1.title", null, say.title), form, body);
  if (id === undefined) return begin(body, live);
  let charts = [], timer = null, gone = false, mark = "", all = false;
  const clear = () => { charts.forEach((chart) => chart.dispose()); charts = []; };
  body.addEventListener("click", (event) => {
    if (!event.target.closest("[data-all]")) return;
    all = true;
    clearTimeout(timer);
    look();
  });
  body.replaceChildren(loading());

  async function look() {
    try {
      const path = `/v1/users/${encodeURIComponent(id)}`;
      const [profile, past, line, why, exports] = await Promise.all([ask(path), ask(`/v1/alerts?${new URLSearchParams({user_id: id, limit: 20})}`), ask(`${path}/timeline?limit=${all ? 200 : SHOWN}`), ask(`${path}/why`), may("privacy")]);
      const account = profile.account_id ? await ask(`/v1/accounts/${encodeURIComponent(profile.account_id)}`).catch(() => null) : null;
      const next = JSON.stringify([profile, account, past.found, past.alerts.map((alert) => [alert.status, alert.triage?.acts]), line.entries, all]);
      if (!gone && next !== mark && !selecting(body)) {
        mark = next;
        clear();
        charts = tell(body, profile, account, past.alerts, line, why, exports ? `${path}/export` : null);
      }
    } catch (wrong) {
      if (gone) return;
      clear();
      mark = "";
      body.replaceChildren(wrong.status === 404 ? empty(say.unseen(id)) : broken(wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  look();
  return {leave() { gone = true; clearTimeout(timer); clear(); }};
}

// What somebody is marking to copy is not taken away.
function selecting(body) {
  const selection = getSelection();
  return !selection.isCollapsed && body.contains(selection.anchorNode);
}

// Without a user: people to begin with.
function begin(body, live) {
  const chips = el("div.chips"), nobody = empty(say.nobodyYet);
  nobody.hidden = true;
  body.append(el("p.muted", null, say.begin), chips, nobody);
  function paint() {
    if (chips.childElementCount || !live.now) return;
    const ids = new Set([...live.firing().slice(0, 8).map((alert) => alert.user_id), ...live.now.movers.up.map((move) => move.user_id)].filter(Boolean));
    chips.replaceChildren(...[...ids].map((id) => el("a", {href: `#/users/${encodeURIComponent(id)}`}, id)));
    nobody.hidden = ids.size > 0;
  }
  return {paint, leave() {}};
}

function judged(title, it, figure) {
  const rows = it.reasons.filter((reason) => reason.contribution || reason.code === "activity_ratio")
    .map((reason) => [reason.contribution ? signed(reason.contribution, figure) : "·", {left: words.reason(reason)}]);
  return panel(".half", title, unit(say.limits(figure(it.on), figure(it.off))),
    el("p.lead", null, el("strong", null, figure(it.value))), el("div.reasons", null, table([say.adds, {left: say.because}], rows, [figure(it.sum), {left: say.sum}], title)));
}

function windows(profile) {
  const names = Object.keys(profile.windows);
  const types = Object.keys(profile.lifetime).sort((a, b) => profile.lifetime[b] - profile.lifetime[a]);
  const shown = [...types.filter((type) => type !== "revenue_minor"), ...types.filter((type) => type === "revenue_minor")];
  const figure = (type, n) => (!n ? "·" : type === "revenue_minor" ? exact(n / 100) : count(n));
  const rows = shown.map((type) => [type === "revenue_minor" ? say.revenue : said(type), ...names.map((name) => figure(type, profile.windows[name][type])), figure(type, profile.lifetime[type])]);
  return panel("", say.activity, unit(say.activityUnit), table([say.event, ...names, say.ever], rows, null, say.activity));
}

// What happened, newest first, and how the score went.
function story(line, root) {
  const entry = (it) => el("li", null, el("time", {datetime: it.at, title: it.at}, ago(it.at)),
    el("span.tag", {"data-kind": it.kind}, say.kinds[it.kind]),
    el("span", null, it.kind === "score" ? say.scored(points(it.score), said(it.name), percent(it.churn_probability ?? 0)) : it.kind === "alert" ? `${said(it.name)} ${it.status === "firing" ? words.alerts.firing : words.alerts.resolved}` : said(it.name), it.amount_minor ? ` · ${exact(it.amount_minor / 100)}` : ""));
  return [
    panel(".half", say.curve, unit(say.curveUnit), line.curve.length > 1 ? root : empty(say.noCurve)),
    panel(".half", say.timeline, unit(say.kept(count(line.most), counted(line.days, "day"))), line.entries.length ? el("ul.story", null, ...line.entries.map(entry)) : empty(say.noStory),
      line.next && line.entries.length <= SHOWN ? el("button.plain", {type: "button", "data-all": true}, say.more) : null),
  ];
}

// The account that the user is a member of: who makes its score, and whether its members come as they use to.
function company(account) {
  const shown = account.members.slice(0, MEMBERS), rest = account.members.slice(MEMBERS);
  const rows = shown.map((it) => [{left: userLink(it.user_id)}, count(it.weight), points(it.engagement_score), exact(it.points), it.last_active]);
  const more = rest.length + account.others;
  if (more) rows.push([{left: say.others(count(more))}, "", "", exact(rest.reduce((sum, it) => sum + it.points, account.others_points)), ""]);
  return panel("", `${say.account} ${account.name || account.account_id}`, unit(say.accountUnit(points(account.engagement_score), said(account.band))),
    el("p", null, say.accountMembers(count(account.member_count), count(account.members_active_30d), percent(account.at_risk))),
    account.alert ? el("p.alarm", null, ...account.alert.reasons.map((reason) => words.reason(reason))) : null,
    el("p.small.muted", null, account.windows.length ? account.windows.map((it) => say.visits(it.days, count(it.visits), exact(it.usual))).join(" · ") : say.youngAccount),
    table([{left: say.member}, say.weight, say.score, say.adds, say.lastActive], rows, [{left: say.sum}, count(account.weight), "", exact(account.engagement_score), ""], say.account));
}

function tell(body, profile, account, past, line, why, exports) {
  const parts = profile.score.contributions.filter((part) => part.points);
  const root = el("div.chart.low"), curveRoot = el("div.chart");
  const ahead = why.ahead.map((each) => each.replace(/^\S+: /, ""));
  const steps = profile.ahead.map((step, n) => el("li", null, el("time", {datetime: step.at}, moment(step.at)), el("span", null, `${step.at_ms > profile.as_of_ms ? words.within(span(step.at_ms - profile.as_of_ms)) : say.due}: ${ahead[n] ?? step.what}`)));
  const because = [...why.score, ...why.churn, ...why.drop];
  body.replaceChildren(el("div.grid", null,
    el("section.panel", null,
      el("div.lead", null, el("span.score", null, points(profile.score.engagement_score)), el("strong", null, `${said(profile.score.band)}, ${say.of}`), userLink(profile.user_id), el("span.muted.small", null, say.asOf(moment(profile.as_of), profile.first_seen && date(profile.first_seen))), profile.ids.since ? el("span.muted.small", null, say.known(profile.ids)) : null, profile.ids.asked ? el("span.muted.small", null, say.merged(profile.ids)) : null),
      el("p", null, why.summary),
      el("details", null, el("summary", null, say.why), el("ul.because", null, ...because.map((each) => el("li", null, each)), ...why.alerts.map((each) => el("li.alarm", null, each)))),
      exports ? el("p.small", null, el("a", {href: exports, download: `${profile.user_id}.json`}, say.export)) : null),
    ...story(line, curveRoot),
    panel(".half", say.rests, unit(say.days7), parts.length ? root : empty(say.nothing7), parts.length && why.score[1] ? el("p.small.muted", null, why.score[1]) : null),
    panel(".half", say.ahead, unit("UTC"), steps.length ? el("ul.steps", null, ...steps) : empty(say.nothingAhead)),
    judged(say.leaving(counted(profile.score.churn_horizon_days, "day")), profile.churn, percent),
    judged(say.drop, profile.drop, exact),
    account ? company(account) : null,
    windows(profile),
    panel("", say.alerts, null, past.length ? el("ul.rows", null, ...past.map((alert) => alertRow(alert, {full: true}))) : empty(say.noAlerts))));
  const charts = parts.length ? [contributionChart(root, parts)] : [];
  if (line.curve.length > 1) {
    const curve = curveChart(curveRoot);
    curve.data(() => ({series: [{data: line.curve.map((it) => [it.at, it.score])}]}));
    charts.push(curve);
  }
  return charts;
}
