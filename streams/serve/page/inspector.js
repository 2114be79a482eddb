// Records as they arrive: what their bytes say, what became of them, and what the one who is watched looks like since.

import {bytes, count, exact, points, said, signed, span, time} from "/page/format.js";
import {words} from "/page/language.js";
import {ask} from "/page/api.js";
import {firstEvent} from "/page/first.js";
import {el, empty, idSearch, loading, panel, text, unit, userLink} from "/page/nodes.js";

const KEPT = 30;
const LOOK_MS = 250; // after the last fate: several events that come together are looked at once
const LOOKS = 8; // each after twice the time: what became of an event is told before the state is saved, in a large step long before
const say = words.inspector;

// "topic/partition/offset" in parts.
function place(coordinates) {
  const [, topic, partition, offset] = /^(.*)\/(\d+)\/(\d+)$/.exec(coordinates) ?? [null, coordinates, "?", "?"];
  return {topic, partition, offset};
}

export function mount(root, live, id) {
  const form = idSearch(say.field, say.hint, say.watch, id, (name) => { location.hash = name ? `#/inspector/${encodeURIComponent(name)}` : "#/inspector"; });
  const list = el("ol.trail"), none = el("div", null, loading()), passed = el("span.muted.small"), state = el("span.link", {role: "status", "data-state": "connecting"}, words.states.connecting);
  const changes = el("div");
  root.replaceChildren(el("h1.title", null, say.title), el("p.muted.lede", null, say.lede), form, el("div.grid", null,
    el("section.panel.wide", null, el("header", null, el("h2", null, id === undefined ? say.all : say.of(id)), el("span.row", null, passed, state)), none, list),
    el("div.narrow.stack", null, id === undefined ? null : panel("", say.changed, unit(say.since), changes), firstEvent(id))));

  const rows = new Map(), waiting = new Map(); // by the coordinates of the first append, and by those of a record that waits for its fate
  let unseen = 0, gone = false, before, counted, looks = 0, timer = null, key = id;

  function take(record) {
    none.replaceChildren();
    let row = rows.get(record.origin);
    if (!row) {
      row = {at: record.appended_at, node: el("li"), record, steps: []};
      rows.set(record.origin, row);
      list.prepend(row.node);
      if (rows.size > KEPT) {
        const [oldest, it] = rows.entries().next().value;
        it.node.remove();
        rows.delete(oldest);
      }
    }
    if (!row.steps.some((step) => step.coordinates === record.coordinates)) row.steps.push({coordinates: record.coordinates, fate: null});
    waiting.set(record.coordinates, row);
    draw(row);
  }

  function settle(fate) {
    const row = waiting.get(fate.coordinates);
    if (!row) return;
    waiting.delete(fate.coordinates);
    Object.assign(row.steps.find((step) => step.coordinates === fate.coordinates), {fate});
    draw(row);
    if (fate.fate === "counted" && id !== undefined) {
      key = row.record.user_id ?? key;
      looks = LOOKS;
      lookSoon();
    }
  }

  function lookSoon() {
    clearTimeout(timer);
    timer = setTimeout(compare, LOOK_MS * 2 ** (LOOKS - looks));
  }

  // What the watched one looks like, against how it was when the watching began.
  async function compare() {
    try {
      const now = await ask(`/v1/users/${encodeURIComponent(key)}`).catch((wrong) => {
        if (wrong.status === 404) return null;
        throw wrong;
      });
      if (gone) return;
      if (before === undefined) before = now;
      const counts = JSON.stringify(now?.lifetime);
      if (counts !== counted) looks = 0;
      else if (looks) {
        looks -= 1;
        lookSoon();
      }
      counted = counts;
      changes.replaceChildren(now === null ? empty(say.unknown) : difference(before, now), now === null ? "" : el("p.small", null, userLink(now.user_id)));
    } catch (wrong) {
      if (!gone) changes.replaceChildren(empty(wrong.message));
    }
  }

  const source = new EventSource(`/v1/inspector${id === undefined ? "" : `?user_id=${encodeURIComponent(id)}`}`);
  const is = (name) => { state.dataset.state = name; text(state, name === "live" ? say.watching : words.states[name]); };
  source.addEventListener("record", (event) => take(JSON.parse(event.data)));
  source.addEventListener("fate", (event) => settle(JSON.parse(event.data)));
  source.addEventListener("passed", (event) => { unseen += JSON.parse(event.data).records; text(passed, say.passed(count(unseen))); });
  source.addEventListener("ready", () => {
    is("live");
    if (!rows.size) none.replaceChildren(empty(id === undefined ? say.silent : say.nothing(id)));
  });
  source.addEventListener("trouble", (event) => { const {trouble} = JSON.parse(event.data); if (trouble) { is("away"); none.replaceChildren(empty(trouble)); } else is("live"); });
  source.onerror = () => is("away");
  if (id !== undefined) compare();
  return {leave() { gone = true; clearTimeout(timer); source.close(); }};
}

function draw(row) {
  const {record, steps} = row, last = steps.at(-1), fate = last.fate, open = row.node.querySelector("details")?.open ?? false;
  const where = place(record.origin), name = fate?.fate ?? (record.verdict === "rejected" ? "rejected" : "waiting");
  const reason = fate?.reason || record.reason;
  row.node.dataset.fate = name;
  const head = el("div.head", null,
    el("time", {datetime: record.appended_at, title: record.appended_at}, time(record.appended_at)),
    el("strong", null, record.type ? said(record.type) : record.verdict === "control" ? say.control : say.unreadable),
    record.user_id ? userLink(record.user_id) : null,
    el("span.tag", {"data-fate": name}, fate ? said(fate.fate) : say.waiting));
  const story = [
    record.verdict === "valid" ? say.valid(said(record.type), bytes(record.bytes)) : record.verdict === "rejected" ? say.rejected(said(record.reason), record.at || "$") : say.isControl,
    ...steps.flatMap((step) => (step.fate ? [say.fates[step.fate.fate]?.(reason ? said(reason) : "", place(step.coordinates).partition, count(step.fate.rev)) ?? said(step.fate.fate)] : [])),
  ];
  row.node.replaceChildren(head, el("p", null, story.join(" · ")),
    el("details", {open}, el("summary", null, say.details),
      el("dl.facts", null,
        el("dt", null, say.topic), el("dd", null, where.topic), el("dt", null, say.place), el("dd", null, say.placed(where.partition, where.offset)),
        ...(record.event_at ? [el("dt", null, say.when), el("dd", null, record.event_at)] : []),
        ...(record.amount_minor ? [el("dt", null, say.amount), el("dd", null, exact(record.amount_minor / 100))] : []),
        ...(fate ? [el("dt", null, say.took), el("dd", null, say.planned(span(Math.max(0, Date.parse(fate.planned_at) - Date.parse(record.appended_at)))))] : [])),
      el("pre", {tabindex: "0"}, pretty(record.body) + (record.cut ? " …" : ""))));
}

// JSON with its lines broken, so that it can be read; anything else as it is.
function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

// Two profiles side by side: only what has changed.
function difference(before, now) {
  const rows = [];
  const row = (name, was, is, by) => rows.push(el("tr", null, el("th", {scope: "row"}, name), el("td", null, was), el("td", null, is), el("td", null, by)));
  const score = (it) => it?.score.engagement_score ?? 0;
  if (score(before) !== score(now)) row(say.score, before ? points(score(before)) : "–", points(score(now)), signed(score(now) - score(before)));
  if (before?.score.band !== now.score.band) row(say.band, before ? said(before.score.band) : "–", said(now.score.band), "");
  const risk = (it) => 100 * (it?.churn.value ?? 0);
  if (before && Math.abs(risk(before) - risk(now)) >= 0.1) row(say.risk, `${points(risk(before))} %`, `${points(risk(now))} %`, signed(risk(now) - risk(before)));
  for (const [type, n] of Object.entries(now.lifetime)) {
    const was = before?.lifetime[type] ?? 0, figure = type === "revenue_minor" ? (x) => exact(x / 100) : count;
    if (n !== was) row(type === "revenue_minor" ? say.revenue : said(type), figure(was), figure(n), signed(n - was, figure));
  }
  if (!rows.length) return empty(before ? say.same : say.fresh);
  return el("table.changes", null, el("thead", null, el("tr", null, ...["", say.was, say.is, say.by].map((name) => (name ? el("th", {scope: "col"}, name) : el("td"))))), el("tbody", null, ...rows));
}
