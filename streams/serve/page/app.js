// The page: which view is shown, in which colours and language, and that it is painted at most once per frame.

import {ask, me} from "/page/api.js";
import {redress} from "/page/charts.js";
import {count, counted} from "/page/format.js";
import {language, switchLanguage, words} from "/page/language.js";
import {Live} from "/page/live.js";
import {el, text} from "/page/nodes.js";
import {mount as alerts} from "/page/alerts.js";
import {mount as funnel} from "/page/funnel.js";
import {mount as inspector} from "/page/inspector.js";
import {mount as metrics} from "/page/metrics.js";
import {mount as now} from "/page/now.js";
import {mount as operations} from "/page/operations.js";
import {mount as users} from "/page/users.js";

const views = {now, alerts, users, metrics, funnel, inspector, operations};
const SAY_MS = 10_000; // a screen reader is told of new alerts at most this often

const byId = (id) => document.getElementById(id);
const live = new Live();
const badge = el("span.badge", {hidden: true});
let view = null, wanted = false, unsaid = 0, said = 0;

const preferred = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => localStorage.getItem("theme") ?? (preferred.matches ? "dark" : "light");

const icon = (name) => byId("icons").content.querySelector(`[data-of="${name}"]`).cloneNode(true);

function furnish() {
  text(document.querySelector(".skip"), words.skip);
  const nav = document.querySelector("nav");
  nav.setAttribute("aria-label", words.menu);
  nav.append(...Object.keys(views).map((name) => el("a", {href: `#/${name}`}, icon(name), el("span", null, words.views[name]), name === "alerts" ? badge : null)));
  byId("theme").setAttribute("aria-label", words.dark);
  byId("theme").title = words.dark;
  byId("language").setAttribute("aria-label", words.other);
  byId("language").title = words.other;
  text(byId("language"), language === "en" ? "DE" : "EN");
  byId("language").addEventListener("click", switchLanguage);
  me.then(({name, can_leave}) => {
    if (!can_leave) return;
    const leave = el("button.quiet", {type: "button", "aria-label": words.leave(name), title: words.leave(name)}, icon("leave"));
    leave.addEventListener("click", () => ask("/logout", {method: "POST"}).then(() => location.assign("/login"), (wrong) => text(byId("trouble"), wrong.message)));
    byId("theme").after(leave);
  }, () => {});
}

function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = name in views ? name : "now";
  view?.leave();
  document.title = `${words.views[known]} · streams`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${known}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view = views[known](byId("main"), live, rest.length ? decoded(rest.join("/")) : undefined);
  paint();
}

// An address that was cut in the middle of a letter is shown as it came.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function paint() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    view?.paint?.();
    frame();
  });
}

// What stands around every view.
function frame() {
  const figures = live.now, link = byId("link"), trouble = byId("trouble");
  link.dataset.state = live.state;
  text(link, words.states[live.state]);
  document.body.classList.toggle("away", live.state === "away");
  badge.hidden = !figures?.alerts.firing;
  text(badge, count(figures?.alerts.firing ?? 0));
  const troubles = live.state === "live" ? (figures?.trouble ?? []) : live.state === "away" ? [words.away] : [];
  trouble.hidden = !troubles.length;
  text(trouble, troubles.join(" · "));
  if (unsaid && Date.now() - said > SAY_MS) {
    text(byId("news"), words.news(counted(unsaid, "alert")));
    said = Date.now();
    unsaid = 0;
  }
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
  redress();
}

furnish();
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
  view?.news?.(event.detail);
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
