// A statement, what came of it in a line at the bottom, and taking it back.

import { say } from "./server.js";
import { refresh } from "./state.js";

const box = document.getElementById("toast");
let timer = 0;

export function tell(text, { bad = false, undo = false } = {}) {
  const words = document.createElement("span");
  words.textContent = text;
  box.replaceChildren(words);
  if (undo) {
    const button = document.createElement("button");
    button.textContent = "Undo";
    button.addEventListener("click", () => takeBack("undo"));
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
    tell(answer.said, { undo: statement.do !== "undo" });
    await refresh();
    return answer;
  } catch (error) {
    tell(error.message, { bad: true });
    return null;
  }
}

export async function takeBack(what) {
  if (await act({ do: what })) document.dispatchEvent(new Event("changed"));
}
