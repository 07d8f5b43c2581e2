// What all parts of the page need.

export const CLIENTS = "clients";

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
