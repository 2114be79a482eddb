// How figures, times and nodes are made: text is always set as text, never as markup.

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const tenth = new Intl.NumberFormat("en", {minimumFractionDigits: 1, maximumFractionDigits: 1});

export const count = (n) => (n === null || n === undefined ? "–" : whole.format(n));
export const points = (n) => tenth.format(n);
export const signed = (n) => (n > 0 ? "+" : n < 0 ? "−" : "") + tenth.format(Math.abs(n));
export const percent = (x) => `${tenth.format(100 * x)} %`;
export const rate = (n) => (n < 10 && n > 0 ? tenth.format(n) : whole.format(n));
export const said = (name) => name.replaceAll("_", " ");

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
  return `${Math.round(s / 86400)} days`;
}

export const ago = (at) => `${span(Date.now() - Date.parse(at))} ago`;
export const short = (at) => `${at.slice(0, 10)} ${at.slice(11, 16)}`;
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// el("li.row", {title: "x"}, child, "text"): a node; children may be null.
export function el(what, attributes, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Text of a node, touched only when it changes: so it can be selected and read.
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

// The children of `list` are `items`, each kept by its key, so focus and selection stay where they are.
export function keyed(list, items, key, make, update) {
  const before = new Map([...list.children].map((node) => [node.dataset.key, node]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = before.get(name);
    if (node) before.delete(name);
    else {
      node = make(item);
      node.dataset.key = name;
    }
    update?.(node, item);
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
  }
  for (const node of before.values()) node.remove();
}

export const userLink = (id) => el("a.id", {href: `#/users/${encodeURIComponent(id)}`, title: id}, id);

export function panel(kind, title, note, ...content) {
  return el(`section.panel${kind}`, null, el("header", null, el("h2", null, title), note ?? null), ...content);
}

// A table with a head; numbers are right, text cells are {left: "..."}.
export function table(head, rows, foot) {
  const cell = (tag) => (value) => {
    const left = value !== null && typeof value === "object" && "left" in value;
    const shown = left ? value.left : value;
    const node = el(tag + (left ? ".left" : ""), tag === "th" ? {scope: "col"} : null, shown instanceof Node ? shown : String(shown));
    if (shown === "0" || shown === "·") node.classList.add("none");
    return node;
  };
  const line = (cells) => el("tr", null, ...cells.map(cell("td")));
  return el("div.scroll", {tabindex: "0", role: "group", "aria-label": "table"},
    el("table", null, head.length ? el("thead", null, el("tr", null, ...head.map(cell("th")))) : null, el("tbody", null, ...rows.map(line)), foot ? el("tfoot", null, line(foot)) : null));
}
