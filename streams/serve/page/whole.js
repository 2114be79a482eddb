// Is everybody still there? Events by tick beside what is usual, and the incidents, for everything or a part of it.

import {about} from "/page/alert.js";
import {ask} from "/page/api.js";
import {wholeChart, wholeData} from "/page/charts.js";
import {count, moment, said} from "/page/format.js";
import {words} from "/page/language.js";
import {broken, el, empty, panel, text, unit} from "/page/nodes.js";

const say = words.whole;
const AGAIN_MS = 20_000;
const TICKS = 168;

export function whole() {
  const root = el("div.chart"), note = el("p.small.muted", {role: "status"}), none = el("div", null), select = el("select", {"aria-label": say.series}, el("option", {value: "all"}, about("all")));
  const node = panel("", say.title, el("span.row", null, unit(say.note), select), none, root, note);
  let chart = null, timer = null, gone = false, asked = 0;

  async function look() {
    clearTimeout(timer);
    const mine = ++asked, series = select.value;
    try {
      const [told, page] = await Promise.all([ask(`/v1/whole?${new URLSearchParams({series, ticks: TICKS})}`), ask("/v1/alerts?limit=100&user_id=")]);
      if (gone || mine !== asked) return;
      choices(told.names, series);
      const spans = page.alerts.filter((alert) => alert.series === series).map((alert) => [alert.starts_at, alert.ends_at, said(alert.rule)]);
      show(told, spans);
    } catch (wrong) {
      if (!gone && mine === asked) none.replaceChildren(broken(wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  function choices(names, chosen) {
    const mark = names.join("\n");
    if (select.dataset.mark === mark || document.activeElement === select) return;
    select.dataset.mark = mark;
    select.replaceChildren(...[...new Set(["all", ...names, chosen])].map((name) => el("option", {value: name, selected: name === chosen}, about(name))));
  }

  function show(told, spans) {
    const known = told.ticks.some((tick) => tick.whole);
    none.replaceChildren(known ? "" : empty(say.none));
    root.hidden = !known;
    if (!known) return;
    chart ??= wholeChart(root, about(told.series));
    chart.data(() => wholeData(told.ticks, spans));
    const last = told.ticks.findLast((tick) => tick.whole);
    const usual = last.expected === null ? say.learning : say.last(count(last.events), count(Math.round(last.expected)), moment(last.at));
    const over = spans.filter(([from, to]) => to !== null && to > told.ticks[0].at).sort().map(([from, to, what]) => say.was(moment(from), moment(to), what));
    text(note, told.firing ? say.firing(said(told.firing), moment(told.since)) : [usual, ...over.slice(-2)].join(" "));
    note.classList.toggle("alarm", told.firing !== null);
  }

  select.addEventListener("change", () => { chart?.dispose(); chart = null; look(); });
  look();
  return {node, leave() { gone = true; clearTimeout(timer); chart?.dispose(); }};
}
