// A statement, what came of it in a line at the bottom, and taking it back.

import { say } from "./server.js";
import { refresh } from "./state.js";

const box = document.getElementById("toast");
const GLANCE = 300; // milliseconds: what has just been drawn has not been looked at
let timer = 0;
let under = false; // a statement is under way, or what is left after it is not drawn yet
let showAgain = async () => {};

export const underWay = () => under;

// Whether what is drawn now has been there long enough to be answered.
export function drawnNow() {
  const drawn = performance.now();
  return () => performance.now() - drawn >= GLANCE;
}

// One after the other: what is said before the page shows what came of the last statement is about
// something nobody has seen, as the second half of a double click is.
export async function alone(doing) {
  if (under) return;
  under = true;
  try {
    await doing();
  } finally {
    under = false;
  }
}

// After an undo, or when it has changed: what is shown may have come back, or gone.
export function whenToShowAgain(doing) {
  showAgain = doing;
}

// undo: the number of the action that the button takes back, whatever was said since.
export function tell(text, { bad = false, undo = null } = {}) {
  const words = document.createElement("span");
  words.textContent = text;
  box.replaceChildren(words);
  if (undo !== null) {
    const button = document.createElement("button");
    button.textContent = "Undo";
    button.addEventListener("click", () => takeBack("undo", undo));
    box.append(button);
  }
  box.classList.toggle("bad", bad);
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { box.hidden = true; }, bad ? 9000 : 5000);
}

// The answer, or null when it could not be done, which has been told then.
export async function act(statement) {
  try {
    const answer = await say(statement);
    tell(answer.said, { undo: answer.action });
    await refresh();
    return answer;
  } catch (error) {
    tell(error.message, { bad: true });
    if (error.changed) await lookAgain();
    return null;
  }
}

async function lookAgain() {
  await refresh().catch(() => {}); // why not is told where the page shows again
  await showAgain();
}

// action: the one to undo, null for the newest.
export const takeBack = (what, action = null) => alone(async () => {
  if (await act({ do: what, action })) await showAgain();
});
