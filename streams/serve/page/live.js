// What the server tells: the figures of now and the alerts, kept up to date over lost connections, sleeping tabs and restarts.

import {ask} from "/page/api.js";

const KEPT = 500; // alerts; older ones are asked for page by page
const AGAIN_MS = 2000;

export class Live extends EventTarget {
  now = null;
  alerts = new Map();
  state = "connecting";
  #source = null;
  #after = null;
  #again = null;

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    this.#open();
  }

  async #open() {
    clearTimeout(this.#again);
    if (document.hidden || this.#source) return;
    try {
      if (this.#after === null) await this.#history();
    } catch {
      this.#lost();
      return;
    }
    if (this.#source || document.hidden) return;
    const source = new EventSource(`/v1/stream?kinds=alerts,triage,now&after=${encodeURIComponent(this.#after)}`);
    this.#source = source;
    source.onopen = () => this.#is("live");
    source.onerror = () => {
      this.#is("away");
      if (source.readyState === EventSource.CLOSED) this.#lost(); // the server said no; a browser does not ask again by itself
    };
    source.addEventListener("now", (event) => {
      this.#after = event.lastEventId;
      this.now = JSON.parse(event.data);
      this.#is("live");
      this.dispatchEvent(new Event("now"));
    });
    source.addEventListener("alerts", (event) => {
      this.#after = event.lastEventId;
      const fresh = JSON.parse(event.data).filter((alert) => this.#take(alert));
      if (fresh.length) this.dispatchEvent(new CustomEvent("alerts", {detail: fresh}));
    });
    source.addEventListener("triage", (event) => {
      this.#after = event.lastEventId;
      const changed = JSON.parse(event.data).filter((triage) => this.triaged(triage));
      if (changed.length) this.dispatchEvent(new CustomEvent("triage", {detail: changed}));
    });
    source.addEventListener("reset", () => {
      this.#close();
      this.#after = null;
      this.#open();
    });
  }

  async #history() {
    const [now, page] = await Promise.all([ask("/v1/metrics/now"), ask("/v1/alerts?limit=200")]);
    this.now = now;
    for (const alert of page.alerts) this.#take(alert);
    this.#after = page.after;
    this.dispatchEvent(new Event("now"));
    this.dispatchEvent(new CustomEvent("alerts", {detail: []}));
  }

  // Whether the alert says something new. An ended one is never firing again under the same id.
  #take(alert) {
    const before = this.alerts.get(alert.alert_id);
    if (before && (before.status === alert.status || before.status === "resolved")) return false;
    this.alerts.set(alert.alert_id, {...alert, triage: alert.triage ?? before?.triage ?? null});
    if (this.alerts.size > KEPT) {
      const oldest = [...this.alerts.values()].reduce((a, b) => (a.starts_at < b.starts_at ? a : b));
      this.alerts.delete(oldest.alert_id);
    }
    return true;
  }

  // Whether what people made of an alert is newer than what is known here.
  triaged(triage) {
    const alert = this.alerts.get(triage.alert_id);
    if (!alert || (alert.triage?.acts ?? 0) >= triage.acts) return false;
    this.alerts.set(alert.alert_id, {...alert, triage});
    return true;
  }

  // The loud ones first, then the newest.
  firing() {
    return [...this.alerts.values()].filter((alert) => alert.status === "firing").sort((a, b) => loudness(b) - loudness(a) || (a.starts_at < b.starts_at ? 1 : -1));
  }

  #lost() {
    this.#close();
    this.#is("away");
    this.#again = setTimeout(() => this.#open(), AGAIN_MS);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #is(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

const loudness = (alert) => ["high", "critical"].indexOf(alert.severity);
