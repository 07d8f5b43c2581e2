// Elements of a drawing.

const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Marks an element as that of a thing, which can be pointed at and chosen. */
function of(kind, index, attributes) {
  return { ...attributes, "data-kind": kind, "data-index": index };
}
