// A group (or the faces in none): who it is, its faces, and what is wrong with them.

import { act, alone, drawnNow, tell, underWay } from "./act.js";
import { makeGrid } from "./grid.js";
import { keyOf } from "./keys.js";
import { mark, neighbour, willBeNamed, willNotBeNamed } from "./list.js";
import { nameField } from "./names.js";
import { openPhoto } from "./photo.js";
import { get } from "./server.js";
import { facesOf } from "./state.js";

const main = document.getElementById("main");
const dialog = document.getElementById("ask");
let asked = () => {};
const target = nameField(dialog.querySelector("form"), {
  groups: true,
  accept: (text, number) => { dialog.close(); if (text) asked(text, number); },
});

// number is null for the faces in no group. reload(keep) shows what is left of it after a change,
// with the focus on the face at that place; where no group is left to go to, done() is called.
export async function openGroup(number, { done, reload, keep = null }) {
  mark(number);
  const group = await get(number === null ? "loose" : `groups/${number}`);
  const page = document.getElementById("group-page").content.cloneNode(true);
  const form = page.querySelector(".who");
  const acts = page.querySelector(".acts");
  const whole = page.querySelector(".whole");
  const field = nameField(form, {
    accept: (name) => { if (!underWay()) nameIt(name); }, other: fieldKey,
  });
  const grid = makeGrid(page.querySelector(".grid"), group.faces, {
    changed: showChosen, open: photo, leave: () => field.focus(),
  });

  const shown = { faces: group.faces.length, person: group.person };
  let left = false; // this page is still seen while the next one is on its way

  form.hidden = whole.hidden = number === null;
  field.placeholder = group.person ?? "Who is this?";
  field.setAttribute("aria-label", `Who is group ${number}?`);
  page.querySelector(".about").textContent = about();
  acts.querySelector('[data-act="take out"]').hidden = number === null;
  acts.querySelector('[data-act="take out"] .label').textContent =
    group.person ? `Not ${group.person}` : "Somebody else";
  for (const button of page.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => doings[button.dataset.act]());
  }
  const before = main.querySelector(".who input");
  const inField = before !== null && before === document.activeElement;
  const ahead = inField ? before.value : "";
  main.replaceChildren(page);
  const seen = drawnNow();
  main.scrollTop = 0;
  showChosen();
  // On a face, the letters of a name that is being typed would be keys.
  if (keep !== null && !inField) grid.go(keep);
  else if (number === null) grid.focus();
  else if (!matchMedia("(pointer: coarse)").matches) field.focus();
  if (ahead) {
    field.value = ahead; // what was typed while this page was on its way
    field.dispatchEvent(new Event("input"));
  }

  function about() {
    const count = facesOf(group.faces.length);
    if (number === null) return `${count} in no group. Choose those of one person, then move them.`;
    const typical = group.faces.length > 3 ? "; the most doubtful come last" : "";
    return group.person ? `${group.person}, group ${number}: ${count}${typical}`
      : `Group ${number}: ${count}${typical}`;
  }

  function showChosen() {
    const some = grid.chosen.size;
    acts.querySelector(".chosen").textContent = some ? `${facesOf(some)} chosen` : "None chosen";
    for (const button of acts.querySelectorAll("button")) button.disabled = !some;
  }

  async function nameIt(name) {
    if (left) return;
    if (!name) return next();
    field.value = "";
    willBeNamed(number);
    const sent = act({ do: "name", group: number, name, shown });
    next(); // without waiting: the next one is there while this one is written
    if (!(await sent)) {
      willNotBeNamed(number);
      const typed = main.querySelector(".who input");
      if (typed) typed.value = ""; // the name of another group
      location.hash = `group/${number}`;
    }
  }

  function next(step = 1) {
    const other = neighbour(step);
    left = other !== null;
    if (left) location.hash = `group/${other}`;
    else if (step > 0) done();
  }

  function fieldKey(event) {
    const step = { PageDown: 1, PageUp: -1 }[event.key];
    const toFaces = event.key === "Escape" || event.key === "ArrowDown"
      || (event.key === "Tab" && !event.shiftKey);
    if (step) { field.value = ""; next(step); }
    else if (toFaces && !event.altKey) grid.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async function photo(face) {
    await openPhoto(face).catch((error) => tell(error.message, { bad: true }));
  }

  // What is done with the faces chosen, or with the one that has the focus.
  async function withFaces(statement) {
    const faces = grid.meant();
    if (!faces.length) return tell("Choose faces first: click them, or Space on them.", { bad: true });
    await change({ ...statement, faces });
  }

  const withGroup = (statement) => change({ ...statement, group: number, shown });

  async function change(statement) {
    if (!seen()) return;
    await alone(async () => { if (await act(statement)) await again(); });
  }

  async function again() {
    if (location.hash === (number === null ? "#loose" : `#group/${number}`)) await reload(grid.place);
  }

  function ask(question, answer) {
    if (underWay()) return; // the faces chosen may be gone
    const faces = grid.meant();
    if (!faces.length && answer === move) {
      return tell("Choose faces first: click them, or Space on them.", { bad: true });
    }
    asked = (text, other) => alone(() => answer(text, other, faces));
    dialog.querySelector("label").textContent = question(faces.length);
    target.value = "";
    target.dispatchEvent(new Event("input"));
    dialog.showModal();
    target.focus();
  }

  async function move(text, other, faces) {
    const to = other === null ? { name: text } : { group: other };
    if (await act({ do: "move", faces, ...to })) await again();
  }

  async function merge(text, other) {
    if (other === null) return nameIt(text);
    const merged = await act({ do: "merge", group: number, with: other, shown });
    if (merged && merged.group !== number) location.hash = `group/${merged.group}`;
    else if (merged) await again();
  }

  const doings = {
    move: () => ask((count) => `Move ${facesOf(count)} to a person, or to a group by number:`, move),
    "take out": () => number !== null && withFaces({ do: "take out", group: number, shown }),
    ignore: () => withFaces({ do: "ignore" }),
    "not a face": () => withFaces({ do: "ignore", not_a_face: true }),
    photo: () => grid.meant().length && photo(grid.meant()[0]),
    split: () => number !== null && withGroup({ do: "split" }),
    merge: () => number !== null && ask(() => `Group ${number} is the same person as group:`, merge),
    "ignore group": () => number !== null && withGroup({ do: "ignore" }),
    next: () => next(),
  };
  const keys = {
    m: "move", x: "take out", i: "ignore", f: "not a face", o: "photo", s: "split", "=": "merge",
    "Shift i": "ignore group",
  };

  return {
    again,
    key(event) {
      const pressed = keyOf(event);
      if (pressed in keys) doings[keys[pressed]]();
      else if (pressed === "a") grid.chooseAll(true);
      else if (pressed === "Escape" && grid.chosen.size) grid.chooseAll(false);
      else if (pressed === "n" || pressed === "/" || pressed === "Escape") field.focus();
      else if (pressed === "j") next(1);
      else if (pressed === "k") next(-1);
      else return false;
      return true;
    },
  };
}
