// How figures, times and names are said, in the language of the page.

import {language, words} from "/page/language.js";

const locale = {en: "en-GB", de: "de-DE"}[language];
const digits = (least, most) => new Intl.NumberFormat(locale, {minimumFractionDigits: least, maximumFractionDigits: most});
const whole = digits(0, 0), tenth = digits(1, 1), hundredth = digits(2, 2), brief = digits(0, 3);
const clock = new Intl.DateTimeFormat(locale, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const dated = new Intl.DateTimeFormat(locale, {day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
const brisk = new Intl.DateTimeFormat(locale, {day: "numeric", month: "short", timeZone: "UTC"});
const minute = new Intl.DateTimeFormat(locale, {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC"});

export const count = (n) => (n === null || n === undefined ? "–" : whole.format(n));
export const points = (n) => tenth.format(n);
export const exact = (n) => hundredth.format(n);
export const number = (n) => brief.format(n);
export const signed = (n, say = points) => (n > 0 ? "+" : n < 0 ? "−" : "") + say(Math.abs(n));
export const percent = (x, say = points) => `${say(100 * x)} %`;
export const rate = (n) => (n < 10 && n > 0 ? tenth.format(n) : whole.format(n));
export const counted = (n, noun) => `${count(n)} ${words.nouns[noun][n === 1 ? 0 : 1]}`;

// A name of the rules, the catalogue or the API as people say it.
export const said = (name) => words.names[name] ?? String(name).replaceAll("_", " ");

// A latency as [figure, unit].
export function latency(ms) {
  if (ms === null || ms === undefined) return ["–", ""];
  return ms < 1000 ? [whole.format(ms), "ms"] : [tenth.format(ms / 1000), "s"];
}

// A span in the largest unit that says it well.
export function span(ms) {
  const s = Math.max(0, ms / 1000);
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 86400 * 1.5) return `${Math.round(s / 3600)} h`;
  return counted(Math.round(s / 86400), "day");
}

export const ago = (at) => words.ago(span(Date.now() - Date.parse(at)));
export const time = (at) => clock.format(typeof at === "number" ? at : Date.parse(at));
export const date = (at) => dated.format(typeof at === "number" ? at : Date.parse(at));
export const day = (at) => brisk.format(Date.parse(at));
export const moment = (at) => minute.format(typeof at === "number" ? at : Date.parse(at));
export const bytes = (n) => (n < 1024 ? `${whole.format(n)} B` : n < 1 << 20 ? `${tenth.format(n / 1024)} KiB` : `${whole.format(n / (1 << 20))} MiB`);

// 0–3, 7: neighbouring numbers together.
export function ranges(numbers) {
  const runs = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    if (runs.length && runs.at(-1)[1] === n - 1) runs.at(-1)[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([low, high]) => (low === high ? String(low) : `${low}–${high}`)).join(", ");
}
