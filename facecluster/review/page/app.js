// The whole page: what the address after # says is shown, and the keys that work everywhere.

import { takeBack, tell, whenToShowAgain } from "./act.js";
import { openGroup } from "./group.js";
import { heldTooLong, keyOf } from "./keys.js";
import { firstUnnamed, neighbour, openList, setFilter, startList } from "./list.js";
import { openSuggestions } from "./pair.js";
import { facesOf, refresh, state } from "./state.js";

const main = document.getElementById("main");
let page = null;

// keep: this is shown again, changed; the face at this place gets the focus.
async function show(keep = null) {
  openList(false);
  stopPictures();
  page = null;
  const here = location.hash;
  const group = /^#group\/(\d+)$/.exec(here);
  try {
    const how = { done, reload: show, keep };
    const opened = group ? await openGroup(Number(group[1]), how)
      : here === "#loose" ? await openGroup(null, how)
      : here === "#suggestions" ? await openSuggestions({ empty, reload: show })
      : start();
    if (location.hash === here) page = opened;
  } catch (error) {
    if (location.hash !== here) return;
    const other = keep === null ? null : neighbour(1); // nothing is left of it
    if (other !== null) location.hash = `group/${other}`;
    else empty("Nothing here", error.message);
  }
}

// Those still on their way would keep the next page waiting: a browser asks a server for six things
// at a time.
function stopPictures() {
  for (const picture of main.querySelectorAll("img")) {
    if (!picture.complete) picture.removeAttribute("src");
  }
}

function start() {
  const first = firstUnnamed();
  if (first === null) done();
  else location.replace(`#group/${first}`);
  return null;
}

function done() {
  location.hash = "done";
  empty("Every group has a name", state.loose
    ? `${facesOf(state.loose)} in no group are left: see “In no group”, or run “facecluster group”.`
    : "All is settled. “facecluster find” finds the photos with somebody.");
}

function empty(title, text) {
  const view = document.getElementById("empty-page").content.cloneNode(true);
  view.querySelector("h1").textContent = title;
  view.querySelector("p").textContent = text;
  main.replaceChildren(view);
}

function showProgress() {
  const bar = document.getElementById("bar");
  bar.max = Math.max(1, state.faces);
  bar.value = state.settled;
  document.getElementById("progress").textContent =
    `${state.settled.toLocaleString("en")} of ${state.faces.toLocaleString("en")} faces settled`;
}

function suggestions() {
  if (location.hash === "#suggestions") start();
  else location.hash = "suggestions";
}

const isTyping = (event) => event.target.matches("input");

function held(event) {
  if (!heldTooLong(event, isTyping(event) && event.target.value !== "")) return;
  event.preventDefault();
  event.stopPropagation();
}

function key(event) {
  const typing = isTyping(event);
  const z = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
  if (z && !(typing && event.target.value)) {
    event.preventDefault();
    takeBack(event.shiftKey ? "redo" : "undo");
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const everywhere = {
    u: () => takeBack("undo"), "Shift u": () => takeBack("redo"), g: suggestions, "?": () => keys.showModal(),
  };
  if (page?.key(event)) event.preventDefault();
  else if (keyOf(event) in everywhere) { event.preventDefault(); everywhere[keyOf(event)](); }
}

const keys = document.getElementById("keys");
document.addEventListener("keydown", held, { capture: true });
document.addEventListener("keydown", key);
document.addEventListener("state", showProgress);
whenToShowAgain(() => (page ? page.again() : show()));
document.getElementById("undo").addEventListener("click", (event) => {
  if (event.detail < 2) takeBack("undo"); // a double click is one
});
document.getElementById("suggest").addEventListener("click", suggestions);
document.getElementById("help").addEventListener("click", () => keys.showModal());
document.getElementById("open-list").addEventListener("click", (event) => {
  openList(event.currentTarget.getAttribute("aria-expanded") !== "true");
});
for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
window.addEventListener("hashchange", () => show());
startList();
setFilter("unnamed");
refresh().then(show, (error) => tell(error.message, { bad: true }));
