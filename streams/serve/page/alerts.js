// The inbox: what fires, why, what would clear it, and what somebody does about it. Keys: j k to go, a s m n to act, Enter to look.

import {ask, may, me} from "/page/api.js";
import {SEVERITIES, clearing, head, refresh, risk, stateOf} from "/page/alert.js";
import {ago, counted, said, signed} from "/page/format.js";
import {words} from "/page/language.js";
import {broken, choice, el, empty, keyed, loading, text} from "/page/nodes.js";

const say = words.alerts;
const RULES = ["site_drop", "source_silent", "tracking_broken", "account_drop", "drop", "tracking_drift", "churn_risk_group", "engagement_drop_group", "churn_risk", "engagement_drop"];
const HOUR_MS = 3_600_000;
const named = (names) => [["", say.any], ...names.map((name) => [name, said(name)])];
const place = (names, name) => (names.includes(name) ? names.indexOf(name) : names.length);
// What a group is called, and where it stands among the others.
const groups = {
  rule: (alert) => [said(alert.rule), place(RULES, alert.rule)],
  severity: (alert) => [said(alert.severity), place(SEVERITIES, alert.severity)],
  assignee: (alert) => [alert.triage?.assignee ?? say.nobodys, alert.triage?.assignee ? 0 : 1],
};

export function mount(root, live) {
  const list = el("ul.rows.inbox"), more = el("button.plain", {type: "button", hidden: true}, say.older), none = empty(say.none), state = el("div", null, loading());
  const found = el("span.muted", {role: "status"}), wrong = el("div", null);
  const filters = el("form.filters", {"aria-label": say.filters},
    choice(say.status, "status", [["firing", say.firing], ["resolved", say.resolved], ["", say.any]]),
    choice(say.state, "state", [["open", say.states.open], ["acknowledged", say.states.acknowledged], ["snoozed", say.states.snoozed], ["", say.any]]),
    choice(say.rule, "rule", named(RULES)), choice(say.severity, "severity", named(SEVERITIES)),
    choice(say.group, "group", [["rule", say.rule], ["severity", say.severity], ["assignee", say.who], ["", say.ungrouped]]), found);
  const keys = el("p.keys.muted.small", null, ...say.keys.flatMap(([key, does]) => [el("span", null, el("kbd", null, key), ` ${does}`)]));
  root.replaceChildren(el("h1.title", null, say.title), filters, wrong, el("section.panel", null, state, none, list), el("p.after", null, more), keys);
  none.hidden = true;
  // What somebody has begun to write, by alert and act: rows are made anew under their hands.
  const drafts = new Map(), draft = (alert, act) => drafts.get(`${alert.alert_id} ${act}`);
  let shown = new Map(), cursor = null, asked = 0, selected = null, operator = false;
  may("operator").then((it) => { operator = it; paint(); }).catch(() => {});

  const chosen = () => Object.fromEntries([...new FormData(filters)].filter(([name, value]) => value && name !== "group"));
  const fits = (alert) => Object.entries(chosen()).every(([name, value]) => (name === "state" ? stateOf(alert) : alert[name]) === value);

  async function load(next) {
    const mine = ++asked;
    try {
      const page = await ask(`/v1/alerts?${new URLSearchParams({...chosen(), limit: 50, ...(next ? {cursor: next} : {})})}`);
      if (mine !== asked) return;
      if (!next) shown = new Map();
      for (const alert of page.alerts) shown.set(alert.alert_id, alert);
      cursor = page.next;
      text(found, `${counted(page.found, "alert")}${page.whole ? "" : say.partial}`);
      state.replaceChildren();
      paint();
    } catch (problem) {
      if (mine === asked) state.replaceChildren(broken(problem.message));
    }
  }

  // Headings and alerts, in the order in which they are shown.
  function lines() {
    const by = groups[new FormData(filters).get("group")];
    const alerts = [...shown.values()].sort((a, b) => (a.starts_at < b.starts_at ? 1 : -1));
    if (!by) return alerts;
    const parts = new Map();
    for (const alert of alerts) {
      const [name, order] = by(alert);
      if (!parts.has(name)) parts.set(name, {heading: name, order, alerts: []});
      parts.get(name).alerts.push(alert);
    }
    return [...parts.values()].sort((a, b) => a.order - b.order || a.heading.localeCompare(b.heading)).flatMap((part) => [part, ...part.alerts]);
  }

  const rowOf = (id) => [...list.children].find((node) => node.dataset.alert === id);

  // The focus stays on the same thing of the same alert, though its row may be made anew.
  function paint() {
    const at = list.contains(document.activeElement) ? document.activeElement : null, id = at?.closest("[data-alert]")?.dataset.alert;
    const does = at?.closest("[data-do]")?.dataset.do, caret = at?.matches("input") ? [at.selectionStart, at.selectionEnd] : null;
    write();
    if (!id || list.contains(document.activeElement)) return;
    const row = rowOf(id), again = row?.querySelector(`[data-do="${does}"] input, button[data-do="${does}"], select[data-do="${does}"]`) ?? row?.querySelector(".open");
    again?.focus();
    if (caret && again?.matches("input")) again.setSelectionRange(...caret);
  }

  function write() {
    const rows = lines();
    keyed(list, rows, (it) => (it.heading ? `#${it.heading} ${it.alerts.length}` : `${it.alert_id} ${it.status} ${it.triage?.acts ?? 0} ${stateOf(it)} ${it.alert_id === selected} ${operator}`),
      (it) => (it.heading ? el("li.group", null, el("h2", null, it.heading), el("span.muted", null, counted(it.alerts.length, "alert"))) : row(it)), (node, it) => it.heading || refresh(node, it));
    none.hidden = shown.size > 0 || state.childElementCount > 0;
    more.hidden = cursor === null;
  }

  function row(alert) {
    const open = alert.alert_id === selected;
    const toggle = el("button.open", {type: "button", "aria-expanded": String(open), "aria-label": say.open(alert.user_id || alert.series || ""), "data-id": alert.alert_id});
    return el(`li${open ? ".selected" : ""}`, {"data-alert": alert.alert_id}, ...head(alert), el("p", null, open ? clearing(alert) : `${words.reason(alert.reasons[0] ?? {text: ""})} · ${clearing(alert)}`, open ? risk(alert) : ""), toggle, open ? detail(alert) : null);
  }

  function detail(alert) {
    const plain = alert.reasons.filter((each) => !each.contribution).map((each) => el("li", null, el("span", null, words.reason(each))));
    const top = Math.max(...alert.reasons.map((each) => Math.abs(each.contribution)), 1e-9);
    const bars = alert.reasons.filter((each) => each.contribution).map((each) => {
      const bar = el("i.bar");
      bar.style.setProperty("--share", Math.abs(each.contribution) / top);
      return el("li", null, el("span", null, words.reason(each)), el("div.track.thin", null, bar), el("b", null, signed(each.contribution, (x) => x.toLocaleString(document.documentElement.lang, {maximumFractionDigits: 2}))));
    });
    const notes = (alert.triage?.notes ?? []).map((note) => el("li", null, el("b", null, note.who), ` ${ago(note.at)}`, el("p", null, note.text)));
    return el("div.detail", null, el("ul.weights", null, ...bars, ...plain), notes.length ? el("ul.notes", {"aria-label": say.noteList}, ...notes) : null, operator ? actions(alert) : null);
  }

  function actions(alert) {
    const acknowledged = stateOf(alert) === "acknowledged", snoozed = stateOf(alert) === "snoozed";
    const button = (does, label, pressed) => el("button.plain", {type: "button", "data-do": does, "aria-pressed": pressed === undefined ? null : String(pressed)}, label);
    const snooze = el("select", {"aria-label": say.snooze, "data-do": "snooze"}, ...[["", snoozed ? say.wake : say.snooze], ["1", say.hour], ["24", say.day], ["168", say.week], ...(snoozed ? [["0", say.now]] : [])].map(([value, shown]) => el("option", {value}, shown)));
    return el("div.actions", null, button("acknowledge", acknowledged ? say.unacknowledge : say.acknowledge, acknowledged), snooze,
      el("form.inline", {"data-do": "assign"}, el("input", {name: "who", "aria-label": say.assign, placeholder: say.assign, maxlength: 100, value: draft(alert, "assign") ?? alert.triage?.assignee ?? "", autocomplete: "off"}), button("mine", say.mine)),
      el("form.inline.note", {"data-do": "note"}, el("input", {name: "text", "aria-label": say.note, placeholder: say.note, maxlength: 2000, value: draft(alert, "note") ?? "", autocomplete: "off"}), el("button.solid", {type: "submit"}, say.save)));
  }

  // What is done is shown when the server has it: others see it at the same moment. What was written for it is no draft any more, unless
  // it was not done.
  async function act(alert, what, body) {
    const name = `${alert.alert_id} ${what}`, draft = drafts.get(name);
    drafts.delete(name);
    wrong.replaceChildren();
    try {
      const triage = await ask(`/v1/alerts/${encodeURIComponent(alert.alert_id)}/${what}`, {method: "POST", body});
      take([triage]);
      live.triaged(triage);
    } catch (problem) {
      wrong.replaceChildren(broken(problem.message));
      if (draft === undefined || drafts.has(name)) return;
      drafts.set(name, draft);
      const field = rowOf(alert.alert_id)?.querySelector(`form[data-do="${what}"] input`);
      if (field) field.value = draft;
    }
  }

  function take(triages) {
    for (const triage of triages) {
      const alert = shown.get(triage.alert_id);
      if (alert && (alert.triage?.acts ?? 0) < triage.acts) shown.set(alert.alert_id, {...alert, triage});
    }
    paint();
  }

  const until = (hours) => (hours ? new Date(Date.now() + hours * HOUR_MS).toISOString() : null);
  const acknowledge = (alert) => act(alert, "acknowledge", {acknowledged: stateOf(alert) !== "acknowledged"});
  const assign = (alert, who) => act(alert, "assign", {assignee: who.trim() || null});

  function select(id, focus = true) {
    selected = id;
    paint();
    if (!focus || !id) return;
    const row = rowOf(id);
    row?.querySelector(".open").focus({preventScroll: true});
    row?.scrollIntoView({block: "nearest"});
  }

  const of = (event) => shown.get(event.target.closest("[data-alert]")?.dataset.alert);
  list.addEventListener("click", async (event) => {
    const alert = of(event), does = event.target.closest("button")?.dataset.do;
    if (!alert) return;
    if (event.target.closest(".open")) select(alert.alert_id === selected ? null : alert.alert_id);
    else if (does === "acknowledge") acknowledge(alert);
    else if (does === "mine") assign(alert, alert.triage?.assignee === (await me).name ? "" : (await me).name);
  });
  list.addEventListener("change", (event) => {
    const alert = of(event);
    if (alert && event.target.matches("select") && event.target.value !== "") act(alert, "snooze", {until: until(Number(event.target.value))});
  });
  list.addEventListener("input", (event) => event.target.form && drafts.set(`${of(event).alert_id} ${event.target.form.dataset.do}`, event.target.value));
  list.addEventListener("submit", (event) => {
    event.preventDefault();
    const alert = of(event), form = new FormData(event.target);
    if (event.target.dataset.do === "assign") assign(alert, form.get("who"));
    else if (form.get("text").trim()) act(alert, "note", {text: form.get("text").trim()});
  });

  async function key(event) {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const order = lines().filter((it) => !it.heading), at = order.findIndex((alert) => alert.alert_id === selected), alert = order[at];
    if (event.key === "j" || event.key === "k") {
      const next = order[at < 0 ? 0 : Math.min(order.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
      if (next) select(next.alert_id);
    } else if (event.key === "Escape") select(null);
    else if (!alert) return;
    else if (event.key === "Enter" && alert.user_id && !event.target.closest("button:not(.open), a")) location.hash = `#/users/${encodeURIComponent(alert.user_id)}`;
    else if (!operator) return;
    else if (event.key === "a") acknowledge(alert);
    else if (event.key === "s") act(alert, "snooze", {until: until(stateOf(alert) === "snoozed" ? 0 : 24)});
    else if (event.key === "m") assign(alert, alert.triage?.assignee === (await me).name ? "" : (await me).name);
    else if (event.key === "n") list.querySelector(".selected .note input")?.focus();
    else return;
    event.preventDefault();
  }

  // One that no longer fits stays and shows what became of it, until the filter is used again: nothing moves away under a finger.
  function news(alerts) {
    for (const alert of alerts) {
      const before = shown.get(alert.alert_id), whole = {...alert, triage: alert.triage ?? before?.triage ?? null};
      if (before || fits(whole)) shown.set(alert.alert_id, whole);
    }
  }

  const told = (event) => take(event.detail);
  live.addEventListener("triage", told);
  addEventListener("keydown", key);
  filters.addEventListener("change", (event) => (event.target.name === "group" ? paint() : load(null)));
  filters.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => load(cursor));
  load(null);
  return {paint: () => shown.size && paint(), news, leave() { asked++; live.removeEventListener("triage", told); removeEventListener("keydown", key); }};
}
