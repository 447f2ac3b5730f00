// A field with the names that fit what is typed; what Enter will do is always marked.

import { state } from "./state.js";

const MOST = 8;

// Without case and accents, so that "zoe" finds "Zoë".
const fold = (text) => text.normalize("NFD").replace(/[\p{M}\u200c\u200d]/gu, "").toLowerCase();

function matches(text) {
  const wanted = fold(text);
  const rank = (name) => {
    const folded = fold(name);
    if (folded.startsWith(wanted)) return 0;
    if (folded.includes(` ${wanted}`)) return 1;
    return folded.includes(wanted) ? 2 : 3;
  };
  return state.names.map((name) => [rank(name), name]).filter(([place]) => place < 3)
    .sort((one, other) => one[0] - other[0]).slice(0, MOST).map(([, name]) => name);
}

// groups: numbers are meant as groups. accept(text, isNumber) on Enter; other(event) gets the keys
// that are not for the choice.
export function nameField(form, { groups = false, accept, other = () => {} }) {
  const input = form.querySelector("input");
  const list = form.querySelector("ul");
  let offered = [];
  let active = 0;

  function offer() {
    const text = input.value.trim();
    const number = groups && /^#?\d+$/.test(text) ? Number(text.replace("#", "")) : null;
    const found = text && number === null ? matches(text) : [];
    const exact = found.some((name) => fold(name) === fold(text));
    offered = found.map((name) => ({ text: name, hint: "" }));
    if (number !== null) offered = [{ text, number, shown: `Group ${number}`, hint: "" }];
    else if (text && !exact) offered.unshift({ text, hint: "new person" });
    active = exact ? Math.max(0, found.findIndex((name) => fold(name) === fold(text))) : 0;
    draw();
  }

  function draw() {
    list.replaceChildren(...offered.map((one, place) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${place}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(place === active));
      const name = document.createElement("span");
      name.textContent = one.shown ?? one.text;
      const hint = document.createElement("small");
      hint.textContent = one.hint || (place === active ? "Enter" : place === firstKnown() ? "Tab" : "");
      item.append(name, hint);
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); active = place; finish(); });
      return item;
    }));
    list.hidden = offered.length === 0;
    input.setAttribute("aria-expanded", String(offered.length > 0));
    if (offered.length) input.setAttribute("aria-activedescendant", `${list.id}-${active}`);
    else input.removeAttribute("aria-activedescendant");
  }

  const firstKnown = () => (offered[active]?.hint ? offered.findIndex((one) => !one.hint) : active);

  function finish() {
    const one = offered[active];
    offered = [];
    draw();
    accept(one?.text ?? "", one?.number ?? null);
  }

  input.addEventListener("input", offer);
  input.addEventListener("blur", () => { list.hidden = true; });
  input.addEventListener("focus", () => { if (offered.length) list.hidden = false; });
  form.addEventListener("submit", (event) => { event.preventDefault(); finish(); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const known = firstKnown();
    if (offered.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length;
      draw();
    } else if (event.key === "Tab" && !event.shiftKey && input.value.trim() && known >= 0 && offered[known]) {
      input.value = offered[known].text;
      offer();
    } else if (event.key === "Escape" && input.value) {
      input.value = "";
      offer();
    } else {
      other(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return input;
}
