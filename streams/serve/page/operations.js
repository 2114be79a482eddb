// Whether it runs: fates and their sum, lag, workers, trouble, and what was put aside.

import {bytes, count, counted, latency, ranges, rate, said, span} from "/page/format.js";
import {words} from "/page/language.js";
import {ask} from "/page/api.js";
import {letters} from "/page/letters.js";
import {broken, el, empty, loading, panel, table, unit} from "/page/nodes.js";

const AGAIN_MS = 2000;
const say = words.operations;

export function mount(root, live) {
  const body = el("div.grid", null, loading()), aside = letters();
  root.replaceChildren(el("h1.title", null, say.title), body, aside.node);
  let timer = null, gone = false;

  async function look() {
    try {
      const status = await ask("/v1/status");
      if (!gone && !body.contains(document.activeElement)) tell(body, status, live.now);
    } catch (wrong) {
      if (!gone) body.replaceChildren(broken(wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  look();
  return {leave() { gone = true; clearTimeout(timer); aside.leave(); }};
}

const total = (lag) => (Object.keys(lag).length ? count(Object.values(lag).reduce((a, b) => a + b, 0)) : "?");

function tell(body, status, now) {
  const names = Object.keys(status.fates).filter((name) => status.fates[name] || name === "counted" || name === "rejected");
  const fates = status.partitions.map((it) => [String(it.partition), count(it.read), ...names.map((name) => count(it.fates[name])), count(it.sum), total(it.lag)]);
  const adds = status.read === status.sum;
  const workers = status.workers.map((it) => [it.instance, {left: ranges(it.partitions)}, rate(it.events_per_s), count(it.lag), bytes(it.rss_bytes), it.started_ms ? span(it.at_ms - it.started_ms) : "–", {left: it.version || "–"}, {left: it.trouble ?? say.none}]);
  body.replaceChildren(
    panel("", say.fates, el(`span.adds.small${adds ? "" : ".not"}`, null, adds ? say.adds : say.gaps(counted(status.read - status.sum, "record"))),
      status.partitions.length ? table([say.partition, say.read, ...names.map(said), say.sum, say.behind], fates, [say.all, count(status.read), ...names.map((name) => count(status.fates[name])), count(status.sum), total(status.lag)], say.fates)
        : empty(say.nothing)),
    panel(".half", say.lag, unit(say.lagUnit), Object.keys(status.lag).length
      ? table([say.topic, say.records], Object.entries(status.lag).map(([topic, n]) => [topic, count(n)]), [say.all, total(status.lag)], say.lag) : empty(say.noKafka)),
    panel(".half", say.figures, null, table([], [
      [say.half, now ? latency(now.latency.p50_ms).join(" ") : "–"], [say.most, now ? latency(now.latency.p99_ms).join(" ") : "–"],
      [say.letters, count(status.letters)], [say.rules, status.rules_version], [say.version, status.version], [say.app, status.app]], null, say.figures)),
    panel("", say.workers, null, workers.length ? table([say.worker, {left: say.partitions}, say.rate, say.behind, say.memory, say.up, {left: say.version}, {left: say.waits}], workers, null, say.workers)
      : empty(say.noWorker)));
}
