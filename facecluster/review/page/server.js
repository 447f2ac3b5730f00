// Questions to the server and statements for it; statements go one after the other, in order.

const STOPPED = "facecluster review does not answer: start it again, then open its new address.";

export async function get(path) {
  return receive(await send(path));
}

let last = Promise.resolve();

export function say(statement) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(statement);
  const said = last.then(async () => receive(await send("say", { method: "POST", headers, body })));
  last = said.catch(() => {});
  return said;
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Error(STOPPED);
  }
}

async function receive(answer) {
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Error(body.error ?? "That went wrong: see where facecluster review runs.");
    error.changed = answer.status === 409; // what the page shows is not so any more
    throw error;
  }
  return body;
}
