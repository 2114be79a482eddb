// What the server tells: the figures of now and the alerts, kept up to date over lost connections, sleeping tabs and restarts.

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
    const source = new EventSource(`/v1/stream?kinds=alerts,now&after=${encodeURIComponent(this.#after)}`);
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
    this.alerts.set(alert.alert_id, alert);
    if (this.alerts.size > KEPT) {
      const oldest = [...this.alerts.values()].reduce((a, b) => (a.starts_at < b.starts_at ? a : b));
      this.alerts.delete(oldest.alert_id);
    }
    return true;
  }

  // Newest first, those that fit.
  firing(fits = () => true) {
    return [...this.alerts.values()].filter((alert) => alert.status === "firing" && fits(alert)).sort((a, b) => (a.starts_at < b.starts_at ? 1 : -1));
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

// The answer of the server as an object. Throws what it says went wrong, with the status.
export async function ask(path) {
  const answer = await fetch(path, {headers: {accept: "application/json"}});
  if (answer.status === 401) location.assign("/login");
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? answer.statusText), {status: answer.status});
  return body;
}
