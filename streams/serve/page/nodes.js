// How nodes are made and kept: text is always set as text, never as markup.

import {words} from "/page/language.js";

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

export const empty = (...said) => el("p.empty", {role: "status"}, ...said);

// Shown while the first answer is on its way: calm, and only when it takes longer than a blink.
export const loading = () => el("div.loading", {role: "status"}, el("span.unseen", null, words.loading), el("i"), el("i"), el("i"));

// Something that cannot be shown now, and why.
export const broken = (why) => el("div.broken", {role: "alert"}, el("strong", null, words.broken), el("p", null, why));

export function panel(kind, title, note, ...content) {
  return el(`section.panel${kind}`, null, el("header", null, el("h2", null, title), note ?? null), ...content);
}

export const unit = (said) => el("span.unit", null, said);

export const choice = (label, name, options, chosen) => el("label.choice", null, el("span", null, label),
  el("select", {name}, ...options.map(([value, shown]) => el("option", {value, selected: value === chosen}, shown))));

// A field for the id of a user; `go` is told what stands in it.
export function idSearch(label, hint, button, id, go) {
  const field = el("input", {name: "id", type: "search", "aria-label": label, placeholder: hint, value: id ?? "", autocomplete: "off", spellcheck: "false", maxlength: "300"});
  const form = el("form.search", {role: "search"}, field, el("button.solid", {type: "submit"}, button));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(field.value.trim());
  });
  return form;
}

// A table with a head; numbers are right, text cells are {left: "..."}.
export function table(head, rows, foot, name = words.table) {
  const cell = (tag) => (value) => {
    const left = value !== null && typeof value === "object" && "left" in value;
    const shown = left ? value.left : value;
    const node = el(tag + (left ? ".left" : ""), tag === "th" ? {scope: "col"} : null, shown instanceof Node ? shown : String(shown));
    if (shown === "0" || shown === "·") node.classList.add("none");
    return node;
  };
  const line = (cells) => el("tr", null, ...cells.map(cell("td")));
  return el("div.scroll", {tabindex: "0", role: "group", "aria-label": name},
    el("table", null, head.length ? el("thead", null, el("tr", null, ...head.map(cell("th")))) : null, el("tbody", null, ...rows.map(line)), foot ? el("tfoot", null, line(foot)) : null));
}
