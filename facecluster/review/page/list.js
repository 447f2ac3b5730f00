// The groups on the left: rows come as they are scrolled to, their pictures when they are seen.

import { state } from "./state.js";

const CHUNK = 60;
const list = document.getElementById("list");
const rows = document.getElementById("rows");
const filters = [...document.querySelectorAll("[data-filter]")];

const passes = {
  unnamed: (group) => group[3] === null,
  named: (group) => group[3] !== null,
  loose: () => false,
};
let filter = "unnamed";
let current = null;
let shown = [];
let position = 0; // of the current group among all, kept when it goes
const named = new Set(); // just now, though the server has not told yet

export function startList() {
  for (const button of filters) {
    button.addEventListener("click", () => {
      if (button.dataset.filter === "loose") location.hash = "loose";
      setFilter(button.dataset.filter);
    });
  }
  document.addEventListener("state", () => { named.clear(); draw(rows.childElementCount); });
  rows.addEventListener("click", () => openList(false));
  list.addEventListener("scroll", () => {
    if (list.scrollTop + 2 * list.clientHeight > list.scrollHeight) grow(rows.childElementCount + CHUNK);
  }, { passive: true });
}

export function setFilter(name) {
  filter = name;
  list.scrollTop = 0;
  draw(0);
}

export function mark(number) {
  current = number;
  const place = state.groups.findIndex((group) => group[0] === number);
  if (place >= 0) position = place;
  for (const link of rows.querySelectorAll("a")) aim(link);
}

// The next group of the filter after the current one (before it: step -1), or null.
export function neighbour(step) {
  const wanted = filter === "named" ? passes.named : passes.unnamed;
  const fits = (group) => wanted(group) && !named.has(group[0]) && group[0] !== current;
  const there = state.groups[position]?.[0] === current;
  let place = there ? position + step : position - (step < 0 ? 1 : 0);
  for (; place >= 0 && place < state.groups.length; place += step) {
    if (fits(state.groups[place])) return state.groups[place][0];
  }
  return null;
}

export function firstUnnamed() {
  return state.groups.find((group) => passes.unnamed(group) && !named.has(group[0]))?.[0] ?? null;
}

export function willBeNamed(number) {
  named.add(number);
}

export function willNotBeNamed(number) {
  named.delete(number);
}

export function openList(open) {
  list.classList.toggle("open", open);
  document.getElementById("open-list").setAttribute("aria-expanded", String(open));
}

function draw(count) {
  const counts = { unnamed: 0, named: 0, loose: state.loose };
  for (const group of state.groups) counts[group[3] === null ? "unnamed" : "named"] += 1;
  for (const button of filters) {
    button.querySelector("b").textContent = counts[button.dataset.filter].toLocaleString("en");
    button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  }
  shown = state.groups.filter(passes[filter]);
  rows.replaceChildren();
  grow(Math.max(count, CHUNK));
}

function grow(count) {
  rows.append(...shown.slice(rows.childElementCount, count).map(row));
}

function row([number, faces, front, person]) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `#group/${number}`;
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.alt = "";
  picture.src = `faces/${front}.jpg`;
  const name = document.createElement("span");
  name.textContent = person ?? `Group ${number}`;
  if (person === null) name.className = "number";
  const count = document.createElement("small");
  count.textContent = faces.toLocaleString("en");
  link.append(picture, name, count);
  aim(link);
  item.append(link);
  return item;
}

function aim(link) {
  link.setAttribute("aria-current", String(link.hash === `#group/${current}`));
}
