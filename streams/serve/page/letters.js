// What was put aside because it could not be counted: why, its bytes, and sending it once more when the cause is mended.

import {ask, may} from "/page/api.js";
import {ago, bytes, count, counted, said} from "/page/format.js";
import {words} from "/page/language.js";
import {broken, el, empty, keyed, panel, text} from "/page/nodes.js";

const say = words.letters;
const AGAIN_MS = 15_000; // the topic is read anew for each answer
const SHOWN = 20;

const address = (letter) => `/v1/dead/${encodeURIComponent(letter.topic)}/${letter.partition}/${letter.offset}`;

export function letters() {
  const list = el("ul.letters"), reasons = el("div.chips"), none = el("div", null), note = el("p.small", {role: "status"}), found = el("span.unit");
  const node = panel("", say.title, found, reasons, note, none, list);
  node.classList.add("after-grid");
  let timer = null, gone = false, operator = false;

  async function look() {
    clearTimeout(timer);
    try {
      operator = await may("operator");
      const page = await ask(`/v1/dead?${new URLSearchParams({limit: SHOWN, since_hours: 24})}`);
      if (gone) return;
      text(found, say.found(counted(page.found, "letter")));
      none.replaceChildren(page.letters.length ? "" : empty(say.none));
      keyed(reasons, Object.entries(page.by_reason), ([reason, n]) => `${reason} ${n}`, ([reason, n]) => el("span.chip", null, `${said(reason)} `, el("b", null, count(n)), operator ? el("button.quiet", {type: "button", "data-reason": reason}, say.all) : null));
      keyed(list, page.letters, (letter) => `${letter.coordinates} ${letter.times}`, row, (item, letter) => text(item.querySelector("time"), ago(letter.refused_at)));
    } catch (wrong) {
      if (!gone) none.replaceChildren(broken(wrong.message));
    }
    if (!gone) timer = setTimeout(look, AGAIN_MS);
  }

  function row(letter) {
    return el("li", null,
      el("div.row", null, el("span.tag.loud", null, said(letter.reason)), el("code", null, letter.at || "$"), el("span.muted.small", null, say.place(letter.topic, letter.partition, count(letter.offset)), ` · ${bytes(letter.size_bytes)}`, letter.times > 1 ? ` · ${say.times(letter.times)}` : ""),
        el("time.muted.small", {datetime: letter.refused_at, title: letter.refused_at}, ago(letter.refused_at)),
        ...(operator ? [el("button.plain", {type: "button", "data-look": address(letter), "aria-expanded": "false"}, say.look), el("button.plain", {type: "button", "data-send": letter.coordinates}, say.send)] : [])));
  }

  async function send(button, body) {
    button.disabled = true;
    try {
      const done = await ask("/v1/dead:replay", {method: "POST", body});
      text(note, say.sent(counted(done.sent, "letter"), done.missing.length, done.unaddressed));
    } catch (wrong) {
      text(note, wrong.message);
    }
    button.disabled = false;
  }

  async function open(button) {
    const item = button.closest("li"), shown = item.querySelector("pre");
    button.setAttribute("aria-expanded", String(!shown));
    if (shown) return shown.remove();
    const pre = el("pre.wrap", {tabindex: "0"}, "…");
    item.append(pre);
    try {
      const letter = await ask(button.dataset.look);
      text(pre, letter.value === null ? say.nothing : letter.value.text);
    } catch (wrong) {
      text(pre, wrong.message);
    }
  }

  node.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.look) open(button);
    else if (button?.dataset.send) send(button, {coordinates: [button.dataset.send]});
    else if (button?.dataset.reason) send(button, {reason: button.dataset.reason, since_hours: 24});
  });
  look();
  return {node, leave() { gone = true; clearTimeout(timer); }};
}
