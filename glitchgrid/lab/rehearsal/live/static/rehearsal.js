// The page of a rehearsal: machines on a circle, the links between them, and the faults that can be done to both.

import { Dots } from "./dots.js";
import { $, drawFrom, element, follow, pressable, set, shape, tell } from "./page.js";

const HEIGHT = 460;
const NODE = { width: 132, height: 48 };
const TIMELINE_S = 10;
const PAUSED_S = 60;
const LOG_MAX = 100;
const QUIET_S = 10;

const drawing = $("drawing");
let state = null;
let places = new Map();
let chosen = null;
let structure = "";
let paused = false;

async function ask(wanted) {
  try {
    const answer = await fetch("do", { method: "POST", body: JSON.stringify(wanted) });
    say(answer.ok ? "" : (await answer.text()).trim());
  } catch {
    say("The rehearsal does not answer.");
  }
}

function say(text) {
  $("answer").textContent = text;
}

const lasts = () => Number($("lasts").value);

// The machines, drawn.

/** On an ellipse, the clients at the top. */
function layOut(names) {
  const width = Math.max(360, drawing.clientWidth || 900);
  drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const wide = Math.min(NODE.width, (2.2 * width) / names.length);
  places = new Map(
    names.map((name, number) => {
      const turn = (2 * Math.PI * number) / names.length - Math.PI / 2;
      const x = width / 2 + (width / 2 - wide / 2 - 8) * Math.cos(turn);
      const y = HEIGHT / 2 + (HEIGHT / 2 - NODE.height / 2 - 8) * Math.sin(turn) - NODE.height / 2;
      return [name, { x, y, width: wide, height: NODE.height }];
    }),
  );
}

const middle = ({ x, y, height }) => [x, y + height / 2];

function drawAll() {
  const names = [...state.machines].reverse().map((each) => each.name);
  layOut(names);
  const lines = state.links.map(({ source, target }) => {
    const [[x1, y1], [x2, y2]] = [middle(places.get(source)), middle(places.get(target))];
    const ends = { x1, y1, x2, y2 };
    const group = shape("g", { tabindex: 0, role: "button", "data-link": `${source} ${target}` });
    group.append(shape("line", ends), shape("line", { class: "near", ...ends }));
    group.append(shape("text", { "text-anchor": "middle", x: (x1 + x2) / 2, y: (y1 + y2) / 2 }));
    pressable(group, () => choose({ link: [source, target] }));
    return group;
  });
  drawing.replaceChildren(...lines, ...state.machines.map(node));
}

function node({ name, kind }) {
  const { x, y, width, height } = places.get(name);
  const group = shape("g", { "data-name": name, transform: `translate(${x - width / 2} ${y})` });
  group.append(shape("rect", { width, height, rx: 9 }), shape("text", { class: "name", x: 10, y: 20 }, name));
  group.append(shape("text", { class: "small", x: 10, y: 38 }));
  if (kind === "clients") return group;
  set(group, "tabindex", 0);
  set(group, "role", "button");
  pressable(group, () => choose({ name }));
  return group;
}

function show() {
  const now = JSON.stringify([state.machines.map((each) => each.name), state.links.length, drawing.clientWidth]);
  if (now !== structure) {
    structure = now;
    drawAll();
  }
  tell($("headline"), state.headline);
  const areWell = state.machines.every((each) => each.state === "up");
  $("headline").className = state.is_wrong ? "bad" : areWell ? "" : "warn";
  document.title = state.headline;
  for (const machine of state.machines) showMachine(machine);
  for (const link of state.links) showLink(link);
  showButtons($("all"), state.kinds.filter(({ whom }) => whom === "all").map(({ kind }) => [kind, fault(kind)]));
  showButtons($("going"), state.going.map(({ number, text }) => [`end ${text}`, { verb: "end", number }]));
  showChosen();
}

function showMachine({ name, kind, state: how }) {
  const group = drawing.querySelector(`[data-name="${name}"]`);
  const isDown = ["down", "is made", "gone"].includes(how);
  const classes = ["node", kind, isDown && "down", how === "stands still" && "stopped", chosen?.name === name && "chosen"];
  set(group, "class", classes.filter(Boolean).join(" "));
  set(group, "aria-label", `${name}: ${how}`);
  tell(group.querySelector(".small"), kind === "clients" ? "test commands" : how);
}

function showLink({ source, target, cut, held, slow_ms, lost }) {
  const group = drawing.querySelector(`[data-link="${source} ${target}"]`);
  const one = (ways) => (ways.length > 1 ? "" : ways[0] === "there" ? ` to ${target}` : ` to ${source}`);
  const words = [cut.length && `cut${one(cut)}`, held.length && `held${one(held)}`, slow_ms && `${Math.round(slow_ms)} ms`];
  const said = words.filter(Boolean).join(", ");
  const isChosen = chosen?.link?.join(" ") === `${source} ${target}`;
  const classes = ["link", cut.length && "cut", held.length && "held", slow_ms && "slow", isChosen && "chosen"];
  set(group, "class", classes.filter(Boolean).join(" "));
  set(group, "aria-label", `link between ${source} and ${target}: ${said || "well"}, ${lost} frames lost`);
  tell(group.querySelector("text"), said);
}

// What can be done.

const fault = (kind, whom = {}) => ({ verb: "fault", kind, ...whom });

function choose(what) {
  chosen = what;
  show();
}

function showChosen() {
  if (!chosen) return;
  const title = chosen.name ?? chosen.link.join(" → ");
  if ($("chosen").dataset.title !== title) {
    $("chosen").dataset.title = title;
    const [head, row] = [element("p", "", ""), element("div", "verbs", "")];
    head.append(element("b", "", title));
    $("chosen").replaceChildren(head, row);
  }
  showButtons($("chosen").querySelector(".verbs"), chosen.name ? forMachine(chosen.name) : forLink(...chosen.link));
}

function forMachine(name) {
  const isKeeper = state.machines.find((each) => each.name === name)?.kind === "keeper";
  const kinds = state.kinds.filter(({ whom }) => whom === "server" || (whom === "keeper" && isKeeper));
  return kinds.map(({ kind }) => [kind, fault(kind, { machine: name })]);
}

function forLink(source, target) {
  const kinds = state.kinds.filter(({ whom }) => whom === "link");
  const ways = [[source, target], [target, source]];
  return kinds.flatMap(({ kind }) => ways.map(([from, to]) => [`${kind} ${from} → ${to}`, fault(kind, { source: from, target: to })]));
}

/** Made anew only where they are others: whoever has one of them in focus keeps it. */
function showButtons(row, verbs) {
  const now = JSON.stringify(verbs.map(([text, wanted]) => [text, wanted.number]));
  if (row.dataset.structure === now) return;
  row.dataset.structure = now;
  row.replaceChildren(
    ...verbs.map(([text, wanted]) => {
      const made = element("button", "", text);
      made.type = "button";
      made.addEventListener("click", () => ask(wanted.verb === "fault" ? { ...wanted, for_ms: lasts() } : wanted));
      return made;
    }),
  );
}

$("quiet").addEventListener("click", () => ask({ verb: "quiet", seconds: QUIET_S }));

// Messages, the log, the timeline.

const dots = new Dots($("dots"), (name) => places.get(name), () => drawing.viewBox.baseVal.width);
dots.pointOf = ({ source, target }, at) => {
  const [[x1, y1], [x2, y2]] = [middle(places.get(source)), middle(places.get(target))];
  return [x1 + (x2 - x1) * at, y1 + (y2 - y1) * at];
};

function took({ messages }) {
  for (const message of messages) {
    dots.depart(message, 0);
    if (message.arrived_s === null) dots.lose(message);
    else dots.arrive(message);
  }
}

let lastLogged = 0;

function logged({ clock, who, what, number }) {
  if (number <= lastLogged) return; // it came before the connection was lost
  lastLogged = number;
  $("log").prepend(element("li", "", `${clock} ${who}: ${what}`));
  while ($("log").children.length > LOG_MAX) $("log").lastChild.remove();
}

const drawTimeline = (seconds) =>
  drawFrom(`timeline.json?s=${seconds}`, "timeline").catch(() => {
    // The next one will do.
  });


$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "go on" : "pause, and show the last minute";
  drawTimeline(paused ? PAUSED_S : TIMELINE_S);
});

// What the server tells.

function listen() {
  const events = new EventSource("events");
  const on = (kind, act) => events.addEventListener(kind, (event) => act(JSON.parse(event.data)));
  on("state", (told) => {
    state = told;
    show();
  });
  on("messages", (told) => state && took(told));
  on("log", logged);
  on("end", () => {
    events.close();
    state = { ...state, headline: `The rehearsal has ended. ${state.headline}` };
    show();
  });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) return;
    $("headline").textContent = "The connection to the rehearsal is lost; trying again ...";
    $("headline").className = "bad";
  };
}

new ResizeObserver(() => state && show()).observe(drawing);
listen();
follow(() => !paused, () => drawTimeline(TIMELINE_S));
