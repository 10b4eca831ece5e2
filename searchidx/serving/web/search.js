"use strict";
// The page works without this file. With it a search does not load the page anew, and keys move between results.

const page = document.documentElement;
const find = (selector, within = document) => within.querySelector(selector);
const box = find("#q");
const form = find("form[role=search]");
let waiting = null; // the request under way
let shown = location.pathname + location.search;

page.classList.add("js");

// searching

function addressOf(form) {
  const fields = [...new FormData(form)].filter(([, value]) => value.trim());
  return "/?" + new URLSearchParams(fields);
}

async function show(address, { push }) {
  waiting?.abort();
  const mine = (waiting = new AbortController());
  document.body.classList.add("busy");
  find("#results").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { signal: mine.signal, headers: { Accept: "text/html" } });
    const html = (answer.headers.get("Content-Type") ?? "").startsWith("text/html");
    const body = await (html ? answer.text() : answer.json());
    if (push) history.pushState(null, "", address);
    if (html) put(new DOMParser().parseFromString(body, "text/html"));
    else say(body.error.message);
  } catch (error) {
    if (error.name !== "AbortError") say("The server does not answer: is it still running?");
  } finally {
    if (waiting === mine) {
      waiting = null;
      document.body.classList.remove("busy");
      find("#results").removeAttribute("aria-busy");
    }
  }
}

function put(other) {
  document.title = other.title;
  document.body.className = other.body.className;
  find("#results").replaceChildren(...find("#results", other).childNodes);
  find("#status").textContent = find("#status", other).textContent;
  for (const field of form.querySelectorAll("[name]")) {
    const its = find(`[name=${field.name}]`, other);
    if (its && field.tagName === "INPUT") field.type = its.type;
    if (its) field.value = its.value;
  }
  for (const part of ["#outlets", ".filters summary"]) find(part).replaceChildren(...find(part, other).childNodes);
  shown = location.pathname + location.search;
}

function say(message) {
  find("#status").textContent = message;
  find("#results").replaceChildren();
  document.body.className = "failed";
}

form.addEventListener("submit", (event) => {
  if (document.body.classList.contains("reading")) return;
  event.preventDefault();
  show(addressOf(form), { push: true });
});

form.addEventListener("change", (event) => {
  if (event.target !== box && box.value.trim()) form.requestSubmit();
});

window.addEventListener("popstate", () => {
  if (location.pathname + location.search !== shown) show(location.href, { push: false }); // and not only the fragment
});

// keys

function move(step) {
  const titles = [...document.querySelectorAll(".hit h2 a")];
  if (!titles.length) return false;
  const now = titles.findIndex((title) => title.closest(".hit").contains(document.activeElement));
  const next = now + step;
  (next < 0 ? box : titles[Math.min(next, titles.length - 1)]).focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = target.matches("input, select, textarea");
  if ((key === "Escape" && target !== box) || (key === "/" && !typing)) {
    box.focus();
    box.select();
    event.preventDefault();
    return;
  }
  const down = key === "ArrowDown" || (key === "j" && !typing);
  const up = key === "ArrowUp" || key === "k";
  if ((down && (!typing || target === box)) || (up && !typing)) {
    if (move(down ? 1 : -1)) event.preventDefault();
  }
});

// citations

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // a page from another machine without https has no clipboard
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = (button.dataset.label ??= button.textContent);
  button.setAttribute("aria-live", "polite");
  button.textContent = await copy(button.dataset.copy).then(() => "Copied", () => "Not allowed to copy");
  setTimeout(() => (button.textContent = label), 2000);
});

// an article opens at its passage; the browser has scrolled there, the keyboard follows

if (location.hash === "#passage") find("#passage")?.focus({ preventScroll: true });
