// The photo behind a face, with a box around it and the names of the others on it.

import { get } from "./server.js";

const dialog = document.getElementById("photo");
const picture = dialog.querySelector("img");
const boxes = dialog.querySelector(".boxes");
const where = dialog.querySelector(".where");

export async function openPhoto(face) {
  const photo = await get(`faces/${face}`);
  boxes.replaceChildren(...photo.faces.map((one) => box(one, one.face === face)));
  picture.width = photo.width;
  picture.height = photo.height;
  picture.style.aspectRatio = `${photo.width} / ${photo.height}`;
  picture.style.width = `min(${photo.width}px, 90vw, calc((96vh - 7rem) * ${photo.width / photo.height}))`;
  picture.style.height = "auto";
  picture.src = `photos/${photo.photo}.jpg`;
  where.textContent = [photo.path, photo.taken_at?.replace("T", " ")].filter(Boolean).join(" · ");
  dialog.showModal();
}

function box({ box: [x0, y0, x1, y1], person, group }, asked) {
  const element = document.createElement("div");
  const percent = (share) => `${(100 * share).toFixed(3)}%`;
  element.style.left = percent(x0);
  element.style.top = percent(y0);
  element.style.width = percent(x1 - x0);
  element.style.height = percent(y1 - y0);
  element.classList.toggle("asked", asked);
  const text = person ?? (group === null ? "" : `Group ${group}`);
  if (text) {
    const name = document.createElement("span");
    name.textContent = text;
    element.append(name);
  }
  return element;
}
