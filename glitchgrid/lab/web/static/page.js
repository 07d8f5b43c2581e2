// What all parts of the page need.

export const CLIENTS = "clients";

const SVG = "http://www.w3.org/2000/svg";
const DRAWN_EVERY_MS = 2000;
const DRAWING_SHARE = 10; // a picture is drawn for at most a tenth of the time

export const $ = (id) => document.getElementById(id);

export function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** What a request and its answer have in common, and no other message: the link, the connection, the number on it. */
export const dialogueOf = ({ connection, number, source, target }) =>
  `${connection} ${number} ${[source, target].sort().join(" ")}`;

/** Change what an element says, or is, only where it is another: the browser would draw it anew. */
export function tell(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

export function set(made, name, value) {
  if (made.getAttribute(name) !== String(value)) made.setAttribute(name, value);
}

/** An element of a drawing. */
export function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Have it act like a button, for whoever has a mouse or a keyboard. */
export function pressable(element, act) {
  element.addEventListener("click", act);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
}

/** Have a picture drawn in an element, anew. */
export async function drawFrom(address, id) {
  const answer = await fetch(address);
  if (!answer.ok) return null;
  const data = await answer.json();
  const fresh = $(id).cloneNode(false);
  $(id).replaceWith(fresh);
  return window.drawPicture(fresh, data);
}

export const rest = (ms) => new Promise((done) => setTimeout(done, ms));

/** Draw something again and again: the more there is to draw, the more rarely, for dots move smoothly meanwhile. */
export async function follow(isWanted, draw) {
  for (;;) {
    const began = performance.now();
    if (isWanted() && document.visibilityState === "visible") await draw();
    await rest(Math.max(DRAWN_EVERY_MS, DRAWING_SHARE * (performance.now() - began)));
  }
}
