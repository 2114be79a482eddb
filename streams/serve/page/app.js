// The page: which view is shown, in which colours, and that it is painted at most once per frame.

import {mount as alerts} from "/page/alerts.js";
import {redress} from "/page/charts.js";
import {Live} from "/page/live.js";
import {mount as now} from "/page/now.js";
import {mount as operations} from "/page/operations.js";
import {mount as users} from "/page/users.js";
import {count, plural, text} from "/page/words.js";

const views = {now: ["Now", now], alerts: ["Alerts", alerts], users: ["Users", users], operations: ["Operations", operations]};
const states = {connecting: "Connecting", live: "Live", away: "Reconnecting"};
const SAY_MS = 10_000; // a screen reader is told of new alerts at most this often

const byId = (id) => document.getElementById(id);
const live = new Live();
let view = null, wanted = false, unsaid = 0, said = 0;

function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = name in views ? name : "now";
  const [title, mount] = views[known];
  view?.leave();
  document.title = `${title} · streams`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${known}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view = mount(byId("main"), live, rest.length ? decodeURIComponent(rest.join("/")) : undefined);
  paint();
}

function paint() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    view?.paint();
    frame();
  });
}

// What stands around every view.
function frame() {
  const figures = live.now, link = byId("link"), badge = byId("firing"), trouble = byId("trouble");
  link.dataset.state = live.state;
  text(link, states[live.state]);
  badge.hidden = !figures?.alerts.firing;
  text(badge, count(figures?.alerts.firing ?? 0));
  const troubles = live.state === "live" ? (figures?.trouble ?? []) : [];
  trouble.hidden = !troubles.length;
  text(trouble, troubles.join(" · "));
  if (unsaid && Date.now() - said > SAY_MS) {
    text(byId("news"), `${plural(unsaid, "alert")} began or ended`);
    said = Date.now();
    unsaid = 0;
  }
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
  redress();
}

const preferred = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => localStorage.getItem("theme") ?? (preferred.matches ? "dark" : "light");
dress(chosen());
preferred.addEventListener("change", () => dress(chosen()));
byId("theme").addEventListener("click", () => {
  localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  dress(chosen());
});

live.addEventListener("now", paint);
live.addEventListener("state", paint);
live.addEventListener("alerts", (event) => {
  unsaid += event.detail.length;
  view?.news(event.detail);
  paint();
});
addEventListener("hashchange", () => {
  route();
  byId("main").focus({preventScroll: true});
  scrollTo(0, 0);
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  byId("main").focus();
});
route();
live.start();
