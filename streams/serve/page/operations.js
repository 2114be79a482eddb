// Whether it runs: fates and their sum, lag, workers, trouble.

import {ask} from "/page/live.js";
import {count, el, latency, panel, plural, rate, span, table, text} from "/page/words.js";

const AGAIN_MS = 2000;

// 0-3, 7: neighbouring numbers together.
function ranges(numbers) {
  const runs = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    if (runs.length && runs.at(-1)[1] === n - 1) runs.at(-1)[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([low, high]) => (low === high ? String(low) : `${low}–${high}`)).join(", ");
}

export function mount(root, live) {
  const body = el("div.grid", null, el("p.empty.panel", {role: "status"}, "Loading"));
  root.replaceChildren(el("h1.title", null, "Operations"), body);
  let timer = null, gone = false;

  async function look() {
    try {
      const status = await ask("/v1/status");
      if (!gone && !body.contains(document.activeElement)) tell(body, status, live.now);
    } catch (wrong) {
      if (!gone) body.replaceChildren(el("p.empty.panel", {role: "status"}, wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  look();
  return {paint() {}, news() {}, leave() { gone = true; clearTimeout(timer); }};
}

function tell(body, status, now) {
  const names = Object.keys(status.fates).filter((name) => status.fates[name] || name === "counted" || name === "rejected");
  const behind = (it) => (Object.keys(it.lag).length ? count(Object.values(it.lag).reduce((a, b) => a + b, 0)) : "?");
  const total = Object.keys(status.lag).length ? count(Object.values(status.lag).reduce((a, b) => a + b, 0)) : "?";
  const fates = status.partitions.map((it) => [String(it.partition), count(it.read), ...names.map((name) => count(it.fates[name])), count(it.sum), behind(it)]);
  const adds = status.read === status.sum;
  const workers = status.workers.map((it) => [it.instance, {left: ranges(it.partitions)}, rate(it.events_per_s), count(it.lag), `${(it.rss_bytes / 1048576).toFixed(0)} MiB`, it.started_ms ? span(it.at_ms - it.started_ms) : "–", {left: it.version || "–"}, {left: it.trouble ?? "none"}]);
  body.replaceChildren(
    panel("", "Fates", el(`span.adds.small${adds ? "" : ".not"}`, null, adds ? "✓ the sum is what was read" : `${plural(status.read - status.sum, "record")} lie in gaps of the log`),
      status.partitions.length ? table(["partition", "read", ...names, "sum", "behind"], fates, ["all", count(status.read), ...names.map((name) => count(status.fates[name])), count(status.sum), total])
        : el("p.empty", null, "Nothing has been counted yet.")),
    panel(".half", "Lag", el("span.unit", null, "records not counted yet"), Object.keys(status.lag).length
      ? table(["topic", "records"], Object.entries(status.lag).map(([topic, n]) => [topic, count(n)]), ["all", total]) : el("p.empty", null, "Kafka does not answer.")),
    panel(".half", "Figures", null, table([], [
      ["event to score, half of all", now ? latency(now.latency.p50_ms).join(" ") : "–"], ["event to score, 99 %", now ? latency(now.latency.p99_ms).join(" ") : "–"],
      ["dead letters", count(status.letters)], ["rules", status.rules_version], ["version", status.version], ["application", status.app]])),
    panel("", "Workers", null, workers.length ? table(["worker", {left: "partitions"}, "events/s", "behind", "memory", "up", {left: "version"}, {left: "waits for"}], workers)
      : el("p.empty", null, "No worker has been heard within the last 10 seconds.")));
}
