// The charts, in the colours of the page. Every axis has its unit, and every chart says in words what it shows.

import * as echarts from "/page/echarts.js";
import {count, date, day, moment, points, said, signed} from "/page/format.js";
import {words} from "/page/language.js";

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
    ...base(words.now.eventsChart),
    xAxis: {
      ...quiet(), type: "category", boundaryGap: false,
      axisLabel: {color: colour("muted"), fontSize: 12, showMinLabel: true, showMaxLabel: true, alignMinLabel: "left", alignMaxLabel: "right", interval: (n, s) => s.endsWith("!"), formatter: (s) => s.replace("!", "")},
    },
    yAxis: values(words.now.eventsUnit),
    series: [{
      name: words.now.eventsUnit, type: "line", showSymbol: false, smooth: 0.25, smoothMonotone: "x", lineStyle: {width: 2}, color: resolved(colour("accent")),
      areaStyle: {color: new echarts.graphic.LinearGradient(0, 0, 0, 1, [{offset: 0, color: resolved(mixed(34))}, {offset: 1, color: resolved(mixed(10))}])},
      data: [],
    }],
  }));
}

// Names of the seconds: those with a label end in "!".
export function seconds(n) {
  return Array.from({length: n}, (_, i) => {
    const left = n - i;
    const name = left === 1 ? words.now.second : left % 60 === 0 ? words.now.minutes(left / 60) : words.now.seconds(left);
    return left === 1 || left % 60 === 0 ? `${name}!` : name;
  });
}

// Users by score; the colour deepens from band to band.
export function scoreChart(root, bands) {
  return new Chart(root, () => {
    const shades = bands.map((_, n) => resolved(mixed(26 + (74 * n) / Math.max(1, bands.length - 1))));
    const shade = (score) => shades[bands.findLastIndex((band) => score >= band.start)] ?? shades[0];
    return {
      ...base(words.now.scoreChart),
      xAxis: {...quiet(), type: "category", name: "", data: Array.from({length: 20}, (_, n) => String(5 * n)), axisLabel: {color: colour("muted"), fontSize: 12, interval: 3}},
      yAxis: values(words.now.users),
      tooltip: {...base("").tooltip, axisPointer: {type: "shadow"}, formatter: ([it]) => words.now.scoreBar(it.name, +it.name + 5, count(it.value))},
      series: [{name: words.now.users, type: "bar", barCategoryGap: "14%", itemStyle: {borderRadius: [3, 3, 0, 0], color: (it) => shade(5 * it.dataIndex)}, data: []}],
    };
  });
}

// What each kind of event has added in seven days.
export function contributionChart(root, parts) {
  const rows = [...parts].reverse();
  return new Chart(root, () => ({
    ...base(words.users.contributionChart),
    grid: {left: 4, right: 56, top: 4, bottom: 22, containLabel: true},
    xAxis: {...values(words.users.points), nameLocation: "middle", nameGap: 6, axisLabel: {show: false}},
    yAxis: {...quiet(), type: "category", data: rows.map((it) => said(it.type)), axisLabel: {color: colour("ink"), fontSize: 13, width: 150, overflow: "truncate"}},
    tooltip: {...base("").tooltip, axisPointer: {type: "shadow"}, formatter: ([it]) => words.users.contribution(it.name, count(rows[it.dataIndex].count), signed(it.value))},
    series: [{
      type: "bar", barMaxWidth: 18, color: resolved(colour("accent")), itemStyle: {borderRadius: 4}, data: rows.map((it) => it.points),
      label: {show: true, position: "right", color: colour("ink"), formatter: (it) => signed(it.value)},
    }],
  }));
}

// Events by tick in front of the band in which they usually are; times in which an alert was on are shaded.
export function wholeChart(root, named) {
  const say = words.whole;
  return new Chart(root, () => {
    const line = {type: "line", showSymbol: false, smoothMonotone: "x"};
    return {
      ...base(say.chart(named)),
      xAxis: {...quiet(), type: "category", boundaryGap: false, axisLabel: {color: colour("muted"), fontSize: 12, hideOverlap: true, interval: (_, at) => at.slice(11, 16) === "00:00", formatter: (at) => day(at)}},
      yAxis: {...values(say.unit), min: 0},
      tooltip: {...base("").tooltip, formatter: (lines) => wholeTip(lines)},
      series: [
        {...line, name: "low", stack: "band", lineStyle: {opacity: 0}, tooltip: {show: false}, silent: true, data: []},
        {...line, name: "band", stack: "band", lineStyle: {opacity: 0}, areaStyle: {color: resolved(mixed(16))}, silent: true, data: []},
        {...line, name: say.usual, lineStyle: {width: 1.5, type: [4, 4], color: resolved(mixed(60))}, color: resolved(mixed(60)), data: []},
        {...line, name: say.events, z: 3, lineStyle: {width: 2.2}, color: resolved(colour("accent")), data: [], markArea: {silent: true, itemStyle: {color: resolved(`color-mix(in srgb, ${colour("trouble")} 16%, ${colour("surface")})`)}, label: {show: false}, data: []}},
      ],
    };
  });
}

// The next number that an axis may end with.
function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= n);
}

// A series without the burst of a backlog that was counted a while ago: it would flatten everything since.
export function calm(series) {
  const recent = Math.max(...series.slice(-20)), burst = series.findLastIndex((n) => n > 8 * recent && n > 200);
  return recent > 0 && burst >= 0 ? series.map((n, at) => (at <= burst ? null : n)) : series;
}

function wholeTip(lines) {
  const say = words.whole, at = lines[0]?.axisValue, of = (name) => lines.find((it) => it.seriesName === name)?.value;
  const low = of("low"), band = of("band"), usual = of(say.usual), events = of(say.events);
  return [moment(at), events === null || events === undefined ? say.unknown : say.came(count(events)), ...(usual === null || usual === undefined ? [] : [say.expected(count(Math.round(usual)), count(Math.round(low)), count(Math.round(low + band)))])].join("\n");
}

// What `wholeChart` shows: ticks of the API, and spans [from, to, label].
export function wholeData(ticks, spans) {
  const over = ticks.filter((tick) => tick.whole), at = over.map((tick) => tick.at);
  const heights = over.flatMap((tick) => [tick.high, tick.events]).filter((n) => n !== null).sort((a, b) => a - b);
  const usual = heights[Math.floor(0.96 * heights.length)] ?? 0, most = heights.at(-1) ?? 0;
  const within = (moment) => (moment === null || moment >= at.at(-1) ? at.at(-1) : at.find((each) => each >= moment));
  return {
    xAxis: {data: at},
    // The hour of the newsletter must not make a flat line of all others: it is cut, and its figure stands in the tip.
    yAxis: {max: usual > 0 && most > 2.5 * usual ? nice(1.5 * usual) : null},
    series: [
      {data: over.map((tick) => tick.low)}, {data: over.map((tick) => (tick.high === null ? null : tick.high - tick.low))}, {data: over.map((tick) => tick.expected)},
      {data: over.map((tick) => tick.events), markArea: {data: spans.filter(([from, to]) => from <= at.at(-1) && (to === null || to > at[0])).map(([from, to]) => [{xAxis: within(from)}, {xAxis: within(to)}])}},
    ],
  };
}

// A user's score over time.
export function curveChart(root) {
  return new Chart(root, () => ({
    ...base(words.users.curveChart),
    xAxis: {...quiet(), type: "time", axisLabel: {color: colour("muted"), fontSize: 12, hideOverlap: true}},
    yAxis: {...values(words.users.points), min: 0, max: 100, interval: 25},
    tooltip: {...base("").tooltip, formatter: ([it]) => `${date(it.value[0])}\n${points(it.value[1])}`},
    series: [{type: "line", showSymbol: true, symbolSize: 5, step: "end", lineStyle: {width: 2}, color: resolved(colour("accent")), areaStyle: {color: resolved(mixed(12))}, data: []}],
  }));
}
