// One alert as a row of a list: about a user, or about a part of the whole.

import {ago, count, counted, moment, percent, said} from "/page/format.js";
import {words} from "/page/language.js";
import {el, text, userLink} from "/page/nodes.js";

const say = words.alerts;

export const SEVERITIES = ["critical", "high", "warning", "info"]; // the loudest first

export const loud = (alert) => alert.severity === "high" || alert.severity === "critical";
export const why = (alert) => alert.reasons.map((each) => words.reason(each)).join(" · ");
export const clearing = (alert) => (alert.status === "firing" ? say.clears(words.clears(alert.clears_when)) : say.ended(said(alert.cause)));

// "country:DE" as people say it; "all" is everybody.
export function about(series) {
  const [kind, ...name] = series.split(":");
  return name.length ? `${said(kind)} ${said(name.join(":"))}` : series === "all" ? say.whole : said(series);
}

// Whom or what it is about.
export const subject = (alert) => (alert.user_id ? userLink(alert.user_id) : el("strong", null, about(alert.series ?? "")));

// How an alert stands: a snooze that is over is none.
export function stateOf(alert) {
  const triage = alert.triage;
  if (triage?.snoozed_until && Date.parse(triage.snoozed_until) > Date.now()) return "snoozed";
  return triage?.acknowledged ? "acknowledged" : "open";
}

export function chips(alert) {
  const triage = alert.triage, state = stateOf(alert);
  return [
    state === "snoozed" ? say.snoozed(moment(triage.snoozed_until)) : null,
    state === "acknowledged" ? say.acknowledged(triage.acknowledged.who) : null,
    triage?.assignee ? say.assigned(triage.assignee) : null,
    triage?.notes?.length ? say.notes(count(triage.notes.length)) : null,
  ].filter(Boolean).map((words) => el("span.tag", null, words));
}

export function head(alert) {
  return [
    el("span.dot", {"data-severity": alert.severity, "data-status": alert.status}),
    el("span.head", null, subject(alert), "  ", said(alert.rule), "  ", el(`span.tag${loud(alert) ? ".loud" : ""}`, null, said(alert.severity)), ...chips(alert)),
    el("time", {datetime: alert.starts_at, title: alert.starts_at}, ago(alert.starts_at)),
  ];
}

export const risk = (alert) => (alert.user_id ? ` · ${say.risk(percent(alert.risk), counted(alert.horizon_days, "day"), said(alert.value_band))}` : "");

export function alertRow(alert, {full = false} = {}) {
  const reason = alert.reasons[0] ? words.reason(alert.reasons[0]) : "";
  return el("li", null, ...head(alert), el("p", null, full ? why(alert) : `${reason} · ${clearing(alert)}`), full ? el("p", null, clearing(alert), risk(alert)) : null);
}

export function refresh(node, alert) {
  text(node.querySelector("time"), ago(alert.starts_at));
}
