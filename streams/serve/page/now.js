// What is going on at this moment.

import {SEVERITIES, alertRow, refresh} from "/page/alert.js";
import {calm, eventsChart, scoreChart, seconds} from "/page/charts.js";
import {count, counted, latency, percent, points, rate, said, signed, span} from "/page/format.js";
import {words} from "/page/language.js";
import {el, empty, keyed, loading, panel, text, unit, userLink} from "/page/nodes.js";
import {whole} from "/page/whole.js";

const SHOWN = 6;
const say = words.now;

function figure(title) {
  const value = document.createTextNode("–"), of = el("span.unit"), note = el("p");
  return {node: el("section.panel.figure", null, el("h2.muted", null, title), el("strong", null, value, of), note), value, of, note};
}

function show(tile, value, of, note) {
  text(tile.value, value);
  text(tile.of, of);
  text(tile.note, note);
}

export function mount(root, live) {
  const tiles = {events: figure(say.events), active: figure(say.active), firing: figure(say.firing), soon: figure(say.soon)};
  const eventsRoot = el("div.chart"), scoreRoot = el("div.chart.low"), bands = el("dl.bands");
  const alerts = el("ul.rows"), noAlerts = empty(say.nobody), movers = el("div.movers"), ledger = el("p.ledger");
  const wait = loading(), everybody = whole();
  const grid = el("div.grid", {hidden: true},
    ...Object.values(tiles).map((tile) => tile.node),
    panel(".wide", say.events, unit(say.last), eventsRoot),
    panel(".narrow", say.score, unit(say.scoreUnit), scoreRoot, bands),
    everybody.node,
    panel(".wide", say.attention, el("a.small.muted", {href: "#/alerts"}, say.all), alerts, noAlerts),
    panel(".narrow", say.movers, unit(say.moversUnit), movers),
    ledger);
  root.replaceChildren(el("h1.unseen", null, words.views.now), wait, grid);
  const charts = {};
  let fresh = new Set();

  function figures(now) {
    const [half, halfUnit] = latency(now.latency.p50_ms);
    show(tiles.events, rate(now.events_per_s), say.eventsUnit, now.lag ? say.waiting(count(now.lag)) : now.lag === 0 ? say.nothingWaits : say.noLag);
    show(tiles.active, count(now.active_users), say.users, say.of(span(1000 * now.active_s), count(now.users_scored) + (now.users_whole ? "" : "+")));
    const loud = Object.entries(now.alerts.by_severity).filter(([, n]) => n).sort(([a], [b]) => SEVERITIES.indexOf(a) - SEVERITIES.indexOf(b));
    show(tiles.firing, count(now.alerts.firing), say.alerts, loud.slice(0, 2).map(([name, n]) => `${count(n)} ${said(name)}`).join(", ") || say.calm);
    show(tiles.soon, half, halfUnit, now.latency.scores ? say.half(latency(now.latency.p99_ms).join(" ")) : say.noScore);
  }

  const mover = (move) => [userLink(move.user_id), el("span.muted", null, `${points(move.before)} → ${points(move.after)}`), el("span.delta", null, signed(move.delta))];

  function moved(now) {
    const mark = JSON.stringify(now.movers);
    if (movers.dataset.mark === mark || movers.contains(document.activeElement)) return;
    movers.dataset.mark = mark;
    const {up, down} = now.movers;
    if (!up.length && !down.length) movers.replaceChildren(empty(say.still));
    else movers.replaceChildren(...(up.length ? [el("h3", null, say.up), ...up.flatMap(mover)] : []), ...(down.length ? [el("h3", null, say.down), ...down.flatMap(mover)] : []));
  }

  function paint() {
    const now = live.now;
    if (!now) return;
    wait.remove();
    grid.hidden = false;
    figures(now);
    charts.events ??= eventsChart(eventsRoot);
    charts.events.data(() => ({xAxis: {data: seconds(now.series.length)}, series: [{data: calm(now.series)}]}));
    charts.scores ??= scoreChart(scoreRoot, now.bands);
    charts.scores.data(() => ({series: [{data: now.histogram}]}));
    const total = now.bands.reduce((sum, band) => sum + band.users, 0);
    keyed(bands, now.bands, (band) => band.name, (band) => el("div", null, el("dt", null, `${said(band.name)} ${band.start}+`), el("dd")),
      (node, band) => { text(node.lastChild, count(band.users)); node.title = percent(total ? band.users / total : 0); });
    const shown = live.firing().slice(0, SHOWN);
    keyed(alerts, shown, (alert) => alert.alert_id, (alert) => {
      const row = alertRow(alert);
      if (fresh.has(alert.alert_id)) row.classList.add("fresh");
      return row;
    }, refresh);
    fresh = new Set();
    noAlerts.hidden = shown.length > 0;
    moved(now);
    const parts = Object.entries(now.fates).filter(([, n]) => n).map(([name, n]) => el("span", null, el("b", null, count(n)), ` ${said(name)}`));
    ledger.replaceChildren(el("span", null, el("b", null, count(now.read)), say.read), ...parts,
      el(`span.adds${now.read === now.sum ? "" : ".not"}`, null, now.read === now.sum ? say.whole : say.gaps(counted(now.read - now.sum, "record"))));
  }

  return {paint, news: (alerts) => alerts.forEach((alert) => fresh.add(alert.alert_id)), leave: () => [...Object.values(charts), {dispose: everybody.leave}].forEach((chart) => chart.dispose())};
}
