// Suggestions: may this group be that person? y, n, or s for later.

import { act, drawnNow, tell } from "./act.js";
import { tile } from "./grid.js";
import { keyOf } from "./keys.js";
import { mark } from "./list.js";
import { openPhoto } from "./photo.js";
import { get } from "./server.js";
import { facesOf, state } from "./state.js";

const main = document.getElementById("main");
const SHOWN = 24;

let waiting = []; // suggestions that are not answered
let current = null; // the page that is open: one that was before it draws nothing any more
let ready = null; // the pair after the one on the screen, asked for ahead

// reload() shows the page again from the start.
export async function openSuggestions({ empty, reload }) {
  mark(null);
  current = null;
  empty("Looking for suggestions…", "The groups without a name are compared with the faces you named.");
  waiting = (await get("suggestions")).suggestions;
  ready = null;
  if (location.hash !== "#suggestions") return null;
  const page = { again: () => reload(), key: () => false };
  current = page;
  await show(page, empty);
  return page;
}

async function show(page, empty) {
  const one = waiting[0];
  if (!one) {
    page.key = () => false;
    const none = state.names.length === 0;
    return empty(none ? "Nobody has a name yet" : "No more suggestions",
      none ? "Name a group or two first; then others are compared with them."
        : "Groups that are near a named face come here. Press g to go back to the groups.");
  }
  let pair;
  try {
    pair = await (ready ?? ask(one));
  } catch {
    if (page !== current) return;
    waiting.shift(); // answered elsewhere meanwhile
    ready = null;
    return show(page, empty);
  }
  if (page !== current) return;
  ready = waiting[1] ? ask(waiting[1]) : null;
  ready?.catch(() => {}); // told when it is shown
  if (location.hash === "#suggestions") draw(page, empty, one, pair);
}

// Never certain: no calibration shows that.
const likely = (probability) => probability === null
  ? ""
  : `, probability ${Math.min(0.99, Math.max(0.01, probability)).toFixed(2)} by the network's calibration`;

const ask = (one) => get(`pairs/${one.group}?person=${encodeURIComponent(one.person)}`);

function draw(page, empty, one, pair) {
  const view = document.getElementById("pair-page").content.cloneNode(true);
  view.querySelector("h1").textContent = `Is this ${pair.person}?`;
  view.querySelector(".about").textContent =
    `${one.agreeing} of ${facesOf(pair.faces.length)} have their nearest named face in ${pair.person}; `
    + `average squared distance ${one.squared_distance.toFixed(2)}${likely(one.probability)}. `
    + `${waiting.length === 1 ? "The last suggestion" : `${waiting.length} suggestions`}.`;
  const [left, right] = view.querySelectorAll("section");
  fill(left, `Group ${one.group}: ${facesOf(pair.faces.length)}`, pair.faces);
  fill(right, `${pair.person}: the most alike of ${facesOf(pair.named)}`, pair.beside);
  for (const button of view.querySelectorAll("[data-answer]")) {
    button.addEventListener("click", () => answer(button.dataset.answer));
  }
  main.replaceChildren(view);
  main.scrollTop = 0;
  main.focus();

  const seen = drawnNow();
  const shown = { faces: pair.faces.length, person: null };
  const statements = { yes: "name", no: "deny" };
  let answered = false;
  async function answer(word) {
    if (answered || !seen()) return;
    const statement = statements[word];
    if (!statement && waiting.length === 1) return tell("It is the only one left.");
    answered = true; // a second key is no answer to a question that is not seen yet
    waiting.shift();
    if (statement) act({ do: statement, group: one.group, name: pair.person, shown });
    else waiting.push(one);
    await show(page, empty);
  }
  page.key = (event) => {
    const word = { y: "yes", n: "no", s: "skip" }[keyOf(event)];
    if (word) answer(word);
    return Boolean(word);
  };
}

// Nothing is chosen here, so a face is no option of a list: it opens its photo.
function button(face) {
  const one = tile([face, null, null]);
  one.setAttribute("role", "button");
  one.removeAttribute("aria-selected");
  one.setAttribute("aria-label", `Face ${face}: open the photo`);
  one.tabIndex = 0;
  return one;
}

function fill(section, title, faces) {
  section.querySelector("h2").textContent = title;
  const grid = section.querySelector(".grid");
  grid.append(...faces.slice(0, SHOWN).map(button));
  const open = (event) => {
    const one = event.target.closest(".tile");
    if (one) openPhoto(Number(one.dataset.face)).catch((error) => tell(error.message, { bad: true }));
    return one !== null;
  };
  grid.addEventListener("click", open);
  grid.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["Enter", " ", "o"].includes(keyOf(event)) && open(event)) event.preventDefault();
  });
}
