// What the whole page shows of the library, as the server last told it.

import { get } from "./server.js";

export const state = { settled: 0, faces: 0, names: [], loose: 0, groups: [] };

let asking = null;
let again = false;

// One question at a time; whoever asks meanwhile gets the answer of one more.
export function refresh() {
  if (asking) {
    again = true;
  } else {
    asking = ask().finally(() => { asking = null; });
  }
  return asking;
}

async function ask() {
  do {
    again = false;
    Object.assign(state, await get("state"));
    document.dispatchEvent(new Event("state"));
  } while (again);
}

export const facesOf = (count) => (count === 1 ? "1 face" : `${count.toLocaleString("en")} faces`);
