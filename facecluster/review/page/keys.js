// What is meant by a key.

const MOVING = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Tab", "j", "k"];

// A key that is held comes again and again, faster than anybody looks: it may go on moving and
// typing, but no statement, and no click on a button, comes of it.
export function heldTooLong(event, typing) {
  if (!event.repeat) return false;
  if (event.ctrlKey || event.metaKey || event.altKey) return event.key.toLowerCase() === "z" && !typing;
  return !(typing ? event.key !== "Enter" : MOVING.includes(keyOf(event)));
}

// Letters in lower case, after "Shift " where Shift is down: Caps Lock is not Shift.
export function keyOf(event) {
  if (!/^[a-z]$/i.test(event.key)) return event.key;
  return `${event.shiftKey ? "Shift " : ""}${event.key.toLowerCase()}`;
}
