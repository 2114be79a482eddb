// Steps that somebody chooses, and how many people get how far.

import {count, percent, points, said} from "/page/format.js";
import {words} from "/page/language.js";
import {ask} from "/page/api.js";
import {broken, choice, el, empty, loading, panel, table, unit} from "/page/nodes.js";

const MOST = 8;
const USUAL = ["product_viewed", "product_added", "checkout_started", "order_completed"];
const say = words.funnel;

const share = (x) => (x === null ? "–" : percent(x));

export function mount(root, live, address) {
  const controls = el("form.filters", {"aria-label": say.controls}), body = el("div", null, loading());
  root.replaceChildren(el("h1.title", null, say.title), el("p.muted.lede", null, say.lede), controls, body);
  controls.addEventListener("submit", (event) => event.preventDefault());
  let asked = 0, can = null, where = "";

  async function begin() {
    try {
      can = await ask("/v1/funnel/choices");
      const [steps, window, by, part] = (address ?? "").split("/");
      where = can.by.includes((part ?? "").split(":")[0]) ? part : "";
      const usual = USUAL.every((name) => can.steps.includes(name)) ? USUAL : can.steps.slice(0, 3);
      const wanted = (steps ?? "").split(",").filter((name) => can.steps.includes(name)).slice(0, MOST);
      choose(wanted.length ? wanted : usual, can.windows.includes(window) ? window : "30d", can.by.includes(by) ? by : can.by[0]);
      await look();
    } catch (wrong) {
      body.replaceChildren(broken(wrong.message));
    }
  }

  const chosen = () => new FormData(controls);

  function choose(steps, window, by) {
    const named = can.steps.map((name) => [name, said(name)]);
    const step = (name, n) => el("span.step", null, choice(say.step(n + 1), "step", named, name),
      steps.length > 1 ? el("button.quiet", {type: "button", "aria-label": say.remove(n + 1), title: say.remove(n + 1), "data-remove": n}, "×") : null);
    controls.replaceChildren(
      el("div.steps", null, ...steps.map(step), steps.length < MOST ? el("button.plain", {type: "button", "data-add": true}, say.add) : ""),
      el("div.row", null, choice(say.window, "window", can.windows.map((name) => [name, say.windows[name] ?? name]), window), choice(say.by, "by", can.by.map((name) => [name, said(name)]), by)),
      where ? el("p.chips", null, el("span.chip", null, el("b", null, say.only(...spoken(where))), el("button.quiet", {type: "button", "aria-label": say.everybody, title: say.everybody, "data-everybody": true}, "×"))) : "");
  }

  async function look() {
    const mine = ++asked, form = chosen(), steps = form.getAll("step"), window = form.get("window"), by = form.get("by");
    history.replaceState(null, "", `#/funnel/${steps.join(",")}/${window}/${by}${where ? `/${where}` : ""}`);
    body.classList.add("stale");
    try {
      const funnel = await ask(`/v1/funnel?${new URLSearchParams({steps: steps.join(","), window, by, ...(where ? {where} : {})})}`);
      if (mine !== asked) return;
      tell(body, funnel, only);
    } catch (wrong) {
      if (mine === asked) body.replaceChildren(broken(wrong.message));
    }
    if (mine === asked) body.classList.remove("stale");
  }

  // Only the users of one part from now on; "": everybody.
  function only(part) {
    const form = chosen();
    where = part;
    choose(form.getAll("step"), form.get("window"), form.get("by"));
    controls.querySelector(where ? "[data-everybody]" : "[name=by]").focus();
    look();
  }

  controls.addEventListener("change", look);
  controls.addEventListener("click", (event) => {
    const button = event.target.closest("button"), form = chosen(), steps = form.getAll("step");
    if (!button) return;
    if ("everybody" in button.dataset) return only("");
    if ("add" in button.dataset) steps.push(can.steps.find((name) => !steps.includes(name)) ?? can.steps[0]);
    else steps.splice(Number(button.dataset.remove), 1);
    choose(steps, form.get("window"), form.get("by"));
    controls.querySelectorAll("select")[steps.length - 1].focus();
    look();
  });
  begin();
  return {leave: () => asked++};
}

// A part of the users in words: what they are told by, and what they are.
const spoken = (part) => part.split(":").map(said);

function tell(body, funnel, only) {
  const {steps, groups} = funnel, first = steps[0].users, last = steps.at(-1);
  if (!first) {
    body.replaceChildren(panel("", say.result, null, empty(funnel.where ? say.nobodyOf(...spoken(funnel.where)) : say.nobody)));
    return;
  }
  const bars = steps.map((step, n) => {
    const bar = el("i.bar"), lost = n ? steps[n - 1].users - step.users : 0;
    bar.style.setProperty("--share", step.users / first);
    return el("li", null, el("div.head", null, el("b", null, `${n + 1}. ${said(step.name)}`), el("span", null, el("b", null, count(step.users)), ` ${say.users}`)),
      el("div.track", null, bar),
      el("p", null, n ? `${say.ofFirst(share(step.of_first))}${funnel.whole ? "" : ` (${points(100 * step.low)}–${points(100 * step.high)} %)`} · ${say.ofBefore(share(step.of_before))} · ${say.lost(count(lost))}` : say.start));
  });
  const worst = steps.slice(1).reduce((worst, step, n) => (step.of_before !== null && (worst === null || step.of_before < steps[worst].of_before) ? n + 1 : worst), null);
  const name = (group) => {
    if (group.name === "rest" || funnel.where === `${funnel.by}:${group.name}`) return said(group.name);
    const button = el("button.only", {type: "button", title: say.only(said(funnel.by), said(group.name))}, said(group.name));
    button.addEventListener("click", () => only(`${funnel.by}:${group.name}`));
    return button;
  };
  const rows = groups.map((group) => [{left: name(group)}, count(group.users), ...group.reached.map(count), share(group.reached[0] ? group.reached.at(-1) / group.reached[0] : null)]);
  body.replaceChildren(el("div.grid", null,
    panel(".wide", say.result, unit(say.within(say.windows[funnel.window] ?? funnel.window) + (funnel.where ? ` · ${say.only(...spoken(funnel.where))}` : "")), el("ol.funnel", null, ...bars)),
    el("section.panel.narrow.figure", null, el("h2.muted", null, say.through), el("strong", null, share(last.of_first), ""), el("p", null, say.throughOf(count(last.users), count(first))),
      worst === null ? null : el("p.callout", null, say.worst(said(steps[worst - 1].name), said(steps[worst].name), share(1 - steps[worst].of_before))),
      el("h2.muted.gap", null, say.meaning), el("p.prose", null, say.means), el("p.prose", null, funnel.whole ? say.whole(count(funnel.n)) : say.sample(count(funnel.n), count(funnel.population)))),
    panel("", say.groups(said(funnel.by)), unit(say.groupUnit), table([{left: said(funnel.by)}, say.looked, ...steps.map((step) => said(step.name)), say.through], rows, null, say.groups(said(funnel.by))))));
}
