// What is going on at this moment.

import {eventsChart, scoreChart, seconds} from "/page/charts.js";
import {ago, count, el, keyed, latency, panel, plural, points, rate, said, signed, span, text, userLink} from "/page/words.js";

const SHOWN = 6;

function figure(title) {
  const value = document.createTextNode("–");
  const unit = el("span.unit");
  const note = el("p");
  return {node: el("section.panel.figure", null, el("h2.muted", null, title), el("strong", null, value, unit), note), value, unit, note};
}

function show(tile, value, unit, note) {
  text(tile.value, value);
  text(tile.unit, unit);
  text(tile.note, note);
}

// One alert as a row of a list.
export function alertRow(alert, {full = false} = {}) {
  const reason = alert.reasons[0]?.text ?? "";
  const loud = alert.severity === "high" || alert.severity === "critical";
  const clears = alert.status === "firing" ? `${alert.clears_when} would clear it` : `ended: ${said(alert.cause)}`;
  return el("li", null,
    el("span.dot", {"data-severity": alert.severity, "data-status": alert.status}),
    el("span.head", null, userLink(alert.user_id), "  ", said(alert.rule), "  ", el(`span.tag${loud ? ".loud" : ""}`, null, alert.severity)),
    el("time", {datetime: alert.starts_at, title: alert.starts_at}, ago(alert.starts_at)),
    el("p", null, full ? alert.reasons.map((each) => each.text).join(" · ") : `${reason} · ${clears}`),
    full ? el("p", null, clears, ` · risk ${points(100 * alert.risk)} % within ${count(alert.horizon_days)} days · value ${alert.value_band}`) : null);
}

export function refresh(node, alert) {
  text(node.querySelector("time"), ago(alert.starts_at));
}

export function mount(root, live) {
  const tiles = {events: figure("Events per second"), active: figure("Active users"), firing: figure("Alerts firing"), soon: figure("Event to score")};
  const eventsRoot = el("div.chart"), scoreRoot = el("div.chart.low"), bands = el("dl.bands");
  const alerts = el("ul.rows"), noAlerts = el("p.empty", null, "Nobody needs attention."), movers = el("div.movers"), ledger = el("p.ledger");
  const all = el("a.small.muted", {href: "#/alerts"}, "All alerts");
  root.replaceChildren(el("h1.unseen", null, "Now"), el("div.grid", null,
    ...Object.values(tiles).map((tile) => tile.node),
    panel(".wide", "Events per second", el("span.unit", null, "last 3 minutes"), eventsRoot),
    panel(".narrow", "Engagement score", el("span.unit", null, "users by score, 0 to 100"), scoreRoot, bands),
    panel(".wide", "Needs attention", all, alerts, noAlerts),
    panel(".narrow", "Movers", el("span.unit", null, "points within 10 min"), movers),
    ledger));
  const charts = {events: eventsChart(eventsRoot), scores: null};
  let fresh = new Set();

  function figures(now) {
    const [half, unit] = latency(now.latency.p50_ms);
    show(tiles.events, rate(now.events_per_s), "events/s", now.lag ? `${count(now.lag)} waiting to be counted` : now.lag === 0 ? "nothing is waiting" : "lag unknown");
    show(tiles.active, count(now.active_users), "users", `in ${span(1000 * now.active_s)}, of ${count(now.users_scored)}${now.users_whole ? "" : "+"} scored`);
    const loud = ["critical", "high", "warning", "info"].filter((name) => now.alerts.by_severity[name]);
    show(tiles.firing, count(now.alerts.firing), "alerts", loud.slice(0, 2).map((name) => `${count(now.alerts.by_severity[name])} ${name}`).join(", ") || "all is calm");
    show(tiles.soon, half, unit, now.latency.scores ? `half of all; 99 % within ${latency(now.latency.p99_ms).join(" ")}` : "no score in the last minute");
  }

  function mover(move) {
    return [userLink(move.user_id), el("span.muted", null, `${points(move.before)} → ${points(move.after)}`), el("span.delta", null, signed(move.delta))];
  }

  function moved(now) {
    const mark = JSON.stringify(now.movers);
    if (movers.dataset.mark === mark || movers.contains(document.activeElement)) return;
    movers.dataset.mark = mark;
    const {up, down} = now.movers;
    if (!up.length && !down.length) movers.replaceChildren(el("p.empty", null, "Nobody has moved by a point yet."));
    else movers.replaceChildren(...(up.length ? [el("h3", null, "Up"), ...up.flatMap(mover)] : []), ...(down.length ? [el("h3", null, "Down"), ...down.flatMap(mover)] : []));
  }

  function paint() {
    const now = live.now;
    if (!now) return;
    figures(now);
    charts.events.data(() => ({xAxis: {data: seconds(now.series.length)}, series: [{data: now.series}]}));
    charts.scores ??= scoreChart(scoreRoot, now.bands);
    charts.scores.data(() => ({series: [{data: now.histogram}]}));
    keyed(bands, now.bands, (band) => band.name, (band) => el("div", null, el("dt", null, `${band.name} ${band.start}+`), el("dd")),
      (node, band) => text(node.lastChild, count(band.users)));
    const shown = live.firing().slice(0, SHOWN);
    keyed(alerts, shown, (alert) => alert.alert_id, (alert) => {
      const row = alertRow(alert);
      if (fresh.has(alert.alert_id)) row.classList.add("fresh");
      return row;
    }, refresh);
    fresh = new Set();
    noAlerts.hidden = shown.length > 0;
    moved(now);
    const parts = Object.entries(now.fates).filter(([, n]) => n).map(([name, n]) => el("span", null, el("b", null, count(n)), ` ${name}`));
    ledger.replaceChildren(el("span", null, el("b", null, count(now.read)), " records read ="), ...parts,
      el(`span.adds${now.read === now.sum ? "" : ".not"}`, null, now.read === now.sum ? "✓ every record has one fate" : `${plural(now.read - now.sum, "record")} in gaps of the log`));
  }

  return {paint, news: (alerts) => alerts.forEach((alert) => fresh.add(alert.alert_id)), leave: () => [charts.events, charts.scores].forEach((chart) => chart?.dispose())};
}
