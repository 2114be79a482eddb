// How to send an event of one's own: a line for a terminal, with an id to watch it by.

import {ask} from "/page/api.js";
import {words} from "/page/language.js";
import {el, panel, text} from "/page/nodes.js";

const say = words.first;

// A name that nobody else has, the same for as long as the browser is open.
function own() {
  const name = sessionStorage.getItem("own") ?? `me-${Math.floor(1000 + 9000 * Math.random())}`;
  sessionStorage.setItem("own", name);
  return name;
}

// The card; it fills itself, or stays away where no collector stands beside this server.
export function firstEvent(id) {
  const slot = el("div", null), name = id ?? own();
  fill(slot, name, id === undefined).catch(() => {});
  return slot;
}

async function fill(slot, name, watch) {
  const {port, keyed} = await ask("/v1/collector");
  if (port === null) return;
  const body = JSON.stringify({event: "Product Viewed", userId: name.replace(/^anon:/, "")});
  // In single quotes, which a shell leaves alone; one of them in the id would end them.
  const line = `curl ${location.protocol}//${location.hostname}:${port}/v1/track${keyed ? " -u WRITE_KEY:" : ""} -d '${body.replaceAll("'", "'\\''")}'`;
  const copy = el("button.plain", {type: "button"}, say.copy);
  copy.addEventListener("click", () => navigator.clipboard.writeText(line).then(() => text(copy, say.copied), () => getSelection().selectAllChildren(slot.querySelector("pre"))));
  slot.append(panel("", say.title, null, el("ol.numbered", null,
    watch ? el("li", null, el("a.id", {href: `#/inspector/${encodeURIComponent(name)}`}, say.watch(name))) : null,
    el("li", null, say.send, el("pre.wrap", {tabindex: "0"}, line), el("div.row.gap", null, copy)),
    el("li", null, say.see)), keyed ? el("p.small.muted", null, say.key) : null));
}
