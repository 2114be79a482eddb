// The business in figures: each with what it rests on, what divides it, its window, and how it was before.

import {ask} from "/page/api.js";
import {count, exact, moment, number, points, said, signed} from "/page/format.js";
import {words} from "/page/language.js";
import {broken, choice, el, empty, loading, panel, table, unit} from "/page/nodes.js";

const AGAIN_MS = 10_000;
const DAY_MS = 86_400_000;
const WINDOWS = ["hour", "24h", "day", "7d", "30d", "month"];
const BEFORE = ["day", "7d", "30d", "month"]; // windows of whole days: the one before ends where this one begins
const PARTS = ["country", "device", "channel", "category", "campaign"];
const say = words.metrics;

const figures = {percent: (x) => `${points(x)} %`, money_minor: (x) => exact(x / 100), count, ratio: number, score: points};
const shown = (figure) => (figure.value === null ? "–" : (figures[figure.unit] ?? number)(figure.value));
const amount = (figure, x) => (x === null ? "–" : figure.unit === "money_minor" && x === figure.numerator ? exact(x / 100) : count(x));

export function mount(root) {
  const controls = el("form.filters", {"aria-label": say.controls}), body = el("div", null, loading()), parts = el("div", null);
  root.replaceChildren(el("h1.title", null, words.views.metrics), el("p.muted.lede", null, say.lede), controls, body, parts);
  controls.addEventListener("submit", (event) => event.preventDefault());
  let timer = null, gone = false, asked = 0, definitions = [];

  async function begin() {
    try {
      ({definitions} = await ask("/v1/metrics/definitions"));
      const cut = definitions.filter((it) => it.segments);
      controls.replaceChildren(choice(say.window, "window", WINDOWS.map((name) => [name, say.windows[name]]), "7d"),
        choice(say.of, "metric", cut.map((it) => [it.metric, said(it.metric)]), cut.some((it) => it.metric === "cvr_users") ? "cvr_users" : cut[0]?.metric), choice(say.by, "by", PARTS.map((name) => [name, said(name)]), "country"));
      await look();
    } catch (wrong) {
      if (!gone) body.replaceChildren(broken(wrong.message));
    }
  }

  async function look() {
    clearTimeout(timer);
    const mine = ++asked, form = new FormData(controls), window = form.get("window"), metric = form.get("metric"), by = form.get("by");
    try {
      const [now, cut] = await Promise.all([ask(`/v1/metrics?${new URLSearchParams({window})}`), ask(`/v1/metrics?${new URLSearchParams({window, metric, segment: by})}`)]);
      const starts = now.figures[0]?.starts_at;
      const earlier = BEFORE.includes(window) && starts ? await ask(`/v1/metrics?${new URLSearchParams({window, day: new Date(Date.parse(starts) - DAY_MS).toISOString().slice(0, 10)})}`) : {figures: []};
      if (gone || mine !== asked) return;
      if (!body.contains(document.activeElement)) tell(now, earlier);
      if (!parts.contains(document.activeElement)) tellParts(cut, metric, by);
    } catch (wrong) {
      if (!gone && mine === asked) body.replaceChildren(broken(wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  function tell(now, earlier) {
    const texts = new Map(definitions.map((it) => [it.metric, it.text])), was = new Map(earlier.figures.map((it) => [it.series.split("/")[0], it]));
    if (!now.figures.length) return body.replaceChildren(panel("", words.views.metrics, null, empty(say.none)));
    const rows = now.figures.map((it) => [
      {left: el("span.metric", null, el("b", null, said(it.metric)), el("span.muted.small", null, texts.get(it.metric) ?? ""))}, el("b", null, shown(it)), trend(it, was.get(it.metric)), count(it.n),
      it.denominator === null ? "·" : `${amount(it, it.numerator)} / ${amount(it, it.denominator)}`, `v${it.definition}`]);
    const first = now.figures[0];
    body.replaceChildren(panel("", say.all, unit(say.span(moment(first.starts_at), moment(first.ends_at))), table([{left: say.metric}, say.value, say.before, "n", say.parts, say.definition], rows, null, say.all),
      now.overflow ? el("p.small.alarm", null, say.overflow(count(now.overflow))) : null));
  }

  function trend(now, before) {
    if (!before || before.value === null || now.value === null) return "·";
    const by = now.value - before.value;
    return by ? signed(by, figures[now.unit] ?? number) : say.same;
  }

  function tellParts(cut, metric, by) {
    const rows = [...cut.figures].sort((a, b) => b.n - a.n).map((it) => [{left: it.segment.slice(it.segment.indexOf("=") + 1)}, el("b", null, shown(it)), count(it.n), it.denominator === null ? "·" : `${amount(it, it.numerator)} / ${amount(it, it.denominator)}`]);
    const node = panel("", say.cut(said(metric), said(by)), null, rows.length ? table([{left: said(by)}, say.value, "n", say.parts], rows, null, say.cut(said(metric), said(by))) : empty(say.uncut));
    node.classList.add("after-grid");
    parts.replaceChildren(node);
  }

  controls.addEventListener("change", look);
  begin();
  return {leave() { gone = true; clearTimeout(timer); }};
}
