// The charts, in the colours of the page. Every axis has its unit, and every chart says in words what it shows.

import * as echarts from "/page/echarts.js";
import {count, said, signed} from "/page/words.js";

const all = new Set();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const mixed = (share) => `color-mix(in srgb, ${colour("accent")} ${share}%, ${colour("surface")})`;

// A colour as canvas understands it.
function resolved(value) {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const probe = document.createElement("i");
  document.body.append(probe);
  probe.style.color = value;
  context.fillStyle = getComputedStyle(probe).color;
  probe.remove();
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return `rgb(${r}, ${g}, ${b})`;
}

class Chart {
  constructor(root, option) {
    this.make = option;
    this.chart = echarts.init(root, null, {renderer: "canvas"});
    this.watch = new ResizeObserver(() => this.chart.resize());
    this.watch.observe(root);
    all.add(this);
    this.dress();
  }

  dress() {
    this.chart.setOption(this.make(), {notMerge: true});
    if (this.last) this.chart.setOption({...this.last(), animation: false});
  }

  // Data only: a whole option costs ten times as much.
  data(last) {
    this.last = last;
    this.chart.setOption(last());
  }

  dispose() {
    all.delete(this);
    this.watch.disconnect();
    this.chart.dispose();
  }
}

// The theme has changed.
export function redress() {
  for (const chart of all) chart.dress();
}

function base(description) {
  const font = getComputedStyle(document.body).fontFamily;
  return {
    animation: false,
    aria: {enabled: true, label: {description}},
    textStyle: {fontFamily: font, color: colour("muted")},
    grid: {left: 4, right: 14, top: 30, bottom: 8, containLabel: true},
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true, backgroundColor: colour("surface"), borderColor: colour("line"),
      textStyle: {color: colour("ink"), fontFamily: font, fontSize: 13}, axisPointer: {lineStyle: {color: colour("muted")}, shadowStyle: {opacity: 0.08}},
    },
  };
}

const values = (name) => ({
  type: "value", name, nameGap: 12, nameTextStyle: {color: colour("muted"), align: "left", fontSize: 12}, minInterval: 1, splitNumber: 3,
  axisLabel: {color: colour("muted"), fontSize: 12, formatter: (n) => count(n)}, splitLine: {lineStyle: {color: colour("line")}},
});

const quiet = () => ({axisLine: {lineStyle: {color: colour("line")}}, axisTick: {show: false}});

// Events of each of the last seconds; a second that was not heard is a gap.
export function eventsChart(root) {
  return new Chart(root, () => ({
    ...base("Events counted per second over the last three minutes."),
    xAxis: {
      ...quiet(), type: "category", boundaryGap: false,
      axisLabel: {color: colour("muted"), fontSize: 12, showMinLabel: true, showMaxLabel: true, alignMinLabel: "left", alignMaxLabel: "right", interval: (n, s) => s.endsWith("!"), formatter: (s) => s.replace("!", "")},
    },
    yAxis: values("events/s"),
    series: [{
      name: "events/s", type: "line", showSymbol: false, smooth: 0.25, smoothMonotone: "x", lineStyle: {width: 2}, color: resolved(colour("accent")),
      areaStyle: {color: new echarts.graphic.LinearGradient(0, 0, 0, 1, [{offset: 0, color: resolved(mixed(34))}, {offset: 1, color: resolved(mixed(10))}])},
      data: [],
    }],
  }));
}

// Names of the seconds: those with a label end in "!".
export function seconds(n) {
  return Array.from({length: n}, (_, i) => {
    const left = n - i;
    const name = left === 1 ? "now" : left % 60 === 0 ? `−${left / 60} min` : `−${left} s`;
    return left === 1 || left % 60 === 0 ? `${name}!` : name;
  });
}

// Users by score; the colour deepens from band to band.
export function scoreChart(root, bands) {
  return new Chart(root, () => {
    const shades = bands.map((_, n) => resolved(mixed(26 + (74 * n) / Math.max(1, bands.length - 1))));
    const shade = (score) => shades[bands.findLastIndex((band) => score >= band.start)] ?? shades[0];
    return {
      ...base("Users by engagement score, five points to a bar."),
      xAxis: {...quiet(), type: "category", name: "", data: Array.from({length: 20}, (_, n) => String(5 * n)), axisLabel: {color: colour("muted"), fontSize: 12, interval: 3}},
      yAxis: values("users"),
      tooltip: {...base("").tooltip, axisPointer: {type: "shadow"}, formatter: ([it]) => `score ${it.name} to ${+it.name + 5}\n${count(it.value)} users`},
      series: [{name: "users", type: "bar", barCategoryGap: "14%", itemStyle: {borderRadius: [3, 3, 0, 0], color: (it) => shade(5 * it.dataIndex)}, data: []}],
    };
  });
}

// What each kind of event has added in seven days.
export function contributionChart(root, parts) {
  const rows = [...parts].reverse();
  return new Chart(root, () => ({
    ...base("Points by kind of event over seven days."),
    grid: {left: 4, right: 56, top: 4, bottom: 22, containLabel: true},
    xAxis: {...values("points"), nameLocation: "middle", nameGap: 6, axisLabel: {show: false}},
    yAxis: {...quiet(), type: "category", data: rows.map((it) => said(it.type)), axisLabel: {color: colour("ink"), fontSize: 13, width: 150, overflow: "truncate"}},
    tooltip: {...base("").tooltip, axisPointer: {type: "shadow"}, formatter: ([it]) => `${it.name}\n${count(rows[it.dataIndex].count)} events, ${signed(it.value)} points`},
    series: [{
      type: "bar", barMaxWidth: 18, color: resolved(colour("accent")), itemStyle: {borderRadius: 4}, data: rows.map((it) => it.points),
      label: {show: true, position: "right", color: colour("ink"), formatter: (it) => signed(it.value)},
    }],
  }));
}
