// A grid of faces to walk through with the arrow keys and to choose from.

const FIRST = 80; // tiles made at once; the others come as they are scrolled to
const scroller = document.getElementById("main");

// faces: [number, what is stated ("is", "is-not" or null), who]; changed(chosen) after each choice.
export function makeGrid(element, faces, { changed = () => {}, open = () => {}, leave = () => {} }) {
  const numbers = faces.map(([face]) => face);
  const chosen = new Set();
  const tiles = [];
  let here = 0;

  const end = document.createElement("div");
  const watcher = new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting)) make(tiles.length + 3 * FIRST);
  }, { root: scroller, rootMargin: "1500px" });

  function make(count) {
    const more = faces.slice(tiles.length, count).map(tile);
    tiles.push(...more);
    end.before(...more);
    if (tiles.length === faces.length) { watcher.disconnect(); end.remove(); }
  }

  function go(place, { focus = true } = {}) {
    if (!numbers.length) return;
    tiles[here]?.setAttribute("tabindex", "-1");
    here = Math.max(0, Math.min(place, numbers.length - 1));
    if (here >= tiles.length) make(here + FIRST);
    tiles[here].setAttribute("tabindex", "0");
    if (focus) tiles[here].focus();
  }

  function choose(place, on) {
    chosen[on ? "add" : "delete"](numbers[place]);
    tiles[place]?.setAttribute("aria-selected", String(on));
  }

  function toggle(place) {
    choose(place, !chosen.has(numbers[place]));
    changed(chosen);
  }

  function chooseAll(on) {
    numbers.forEach((_, place) => choose(place, on));
    changed(chosen);
  }

  function range(from, to) {
    for (let place = Math.min(from, to); place <= Math.max(from, to); place += 1) choose(place, true);
    changed(chosen);
  }

  element.addEventListener("click", (event) => {
    const place = tiles.indexOf(event.target.closest(".tile"));
    if (place < 0) return;
    if (event.shiftKey) range(here, place); else toggle(place);
    go(place);
  });
  element.addEventListener("dblclick", (event) => {
    const place = tiles.indexOf(event.target.closest(".tile"));
    if (place >= 0) open(numbers[place]);
  });
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const across = getComputedStyle(element).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
    if (event.key in steps) {
      const from = here;
      if (event.key === "ArrowUp" && here < across) return event.preventDefault(), leave();
      go(here + steps[event.key]);
      if (event.shiftKey) range(from, here);
    } else if (event.key === "Home") go(0);
    else if (event.key === "End") go(numbers.length - 1);
    else if (event.key === " ") toggle(here);
    else if (event.key === "Enter") open(numbers[here]);
    else return;
    event.preventDefault();
  });

  element.replaceChildren(end);
  watcher.observe(end);
  make(FIRST);
  go(0, { focus: false });
  return {
    chosen,
    chooseAll,
    // those chosen or, with none, the one that has the focus
    meant: () => (chosen.size ? numbers.filter((face) => chosen.has(face))
      : element.contains(document.activeElement) ? [numbers[here]] : []),
    focus: () => go(here),
    get place() { return here; },
    go,
  };
}

export function tile([face, stated, who]) {
  const element = document.createElement("div");
  element.className = "tile";
  element.dataset.face = face;
  element.setAttribute("role", "option");
  element.setAttribute("aria-selected", "false");
  element.setAttribute("aria-label", `Face ${face}${who ? `, ${stated === "is" ? "" : "not "}${who}` : ""}`);
  element.tabIndex = -1;
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.draggable = false;
  picture.alt = "";
  picture.addEventListener("error", () => element.classList.add("gone"));
  picture.src = `faces/${face}.jpg`;
  element.append(picture);
  if (who) {
    const word = document.createElement("span");
    word.className = stated === "is" ? "word is" : "word not";
    word.textContent = stated === "is" ? who : `not ${who}`;
    element.append(word);
  }
  return element;
}
