// The live page: the grid as it is, what goes over its links, and what can be done to both.

import { Dots } from "./dots.js";
import { $, CLIENTS, drawFrom, element, follow, pressable, rest, set, shape, tell } from "./page.js";
import { Round } from "./round.js";
import { SCENES } from "./scenes.js";

const TIMELINE_S = 10;
const PAUSED_S = 60;
const AROUND_NS = 2e9;
const LOG_MAX = 100;
const NODE = { width: 150, height: 92 };
const ROWS = { clients: 16, control: 140, vault: 320 };
const HEIGHT = 424;
const STORY = "story"; // who tells what is played on this grid

const drawing = $("drawing");
let state = null;
let places = new Map();
let chosen = null;
let structure = "";
let paused = false;

// What the server is asked for.

async function ask(wanted) {
  try {
    const answer = await fetch("do", { method: "POST", body: JSON.stringify(wanted) });
    if (!answer.ok) {
      say((await answer.text()).trim());
      return null;
    }
    return await answer.json();
  } catch {
    say("The grid's supervisor does not answer.");
    return null;
  }
}

function say(text) {
  $("answer").textContent = text;
}

// The grid, drawn.

function layOut(members) {
  const width = Math.max(360, drawing.clientWidth || 900);
  drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  places = new Map();
  const row = (names, y, height) => {
    const room = width / names.length;
    const wide = Math.min(NODE.width, room - 6);
    names.forEach((name, number) => places.set(name, { x: room * (number + 0.5), y, width: wide, height }));
  };
  row([CLIENTS], ROWS.clients, 44);
  row(members.filter((each) => each.kind === "control").map((each) => each.name), ROWS.control, 82);
  row(members.filter((each) => each.kind === "vault").map((each) => each.name), ROWS.vault, NODE.height);
}

function drawAll() {
  const { members, links } = state;
  layOut(members);
  const lines = links.map((link) => {
    const group = shape("g", { class: "link", tabindex: 0, role: "button", "data-link": `${link.source} ${link.target}` });
    const ends = lineOf(link.source, link.target);
    group.append(shape("line", ends), shape("line", { class: "near", ...ends }), shape("text", { "text-anchor": "middle", x: (ends.x1 + ends.x2) / 2, y: (ends.y1 + ends.y2) / 2 }));
    pressable(group, () => choose({ link: [link.source, link.target] }));
    return group;
  });
  const nodes = [node({ name: CLIENTS, kind: CLIENTS }), ...members.map(node)];
  drawing.replaceChildren(...lines, ...nodes);
}

function lineOf(source, target) {
  const [from, to] = [places.get(source), places.get(target)];
  return { x1: from.x, y1: from.y + from.height, x2: to.x, y2: to.y };
}

function node({ name, kind }) {
  const { x, y, width, height } = places.get(name);
  const group = shape("g", { class: `node ${kind}`, "data-name": name, transform: `translate(${x - width / 2} ${y})` });
  group.append(shape("rect", { width, height, rx: 9 }), shape("text", { class: "name", x: 10, y: 20 }, name));
  if (kind === CLIENTS) return group;
  group.setAttribute("tabindex", "0");
  group.setAttribute("role", "button");
  for (const row of [38, 54, 70]) group.append(shape("text", { class: "small", x: 10, y: row }));
  if (kind === "vault") {
    group.append(shape("rect", { class: "level", x: 10, y: height - 14, height: 7, width: 0 }));
    group.append(shape("rect", { class: "level shown", x: 10, y: height - 14, height: 7, width: 0 }));
  }
  pressable(group, () => choose({ name }));
  return group;
}

function show() {
  const { members, links } = state;
  const now = JSON.stringify([members.map((each) => each.name), drawing.clientWidth]);
  if (now !== structure) {
    structure = now;
    drawAll();
  }
  showHeadline();
  const most = Math.max(1, ...members.map((each) => Number(each.shown ?? 0)), Number(state.value ?? 0));
  for (const member of members) showMember(member, most);
  for (const link of links) showLink(link);
  for (const [id, value] of [["load", String(state.load)], ["bugs", state.glitch?.name ?? ""]]) {
    if ($(id).value !== value && document.activeElement !== $(id)) $(id).value = value;
  }
  showChosen();
}

function showHeadline() {
  tell($("headline"), state.headline);
  $("headline").className = !state.serves ? "bad" : state.degraded ? "warn" : "";
  const { checker } = state;
  tell($("checker"), checker.wrong ? `Not linearizable: ${checker.text}` : checker.text);
  $("checker").className = checker.wrong ? "bad" : "";
  $("glitch").hidden = !state.glitch;
  if (state.glitch) tell($("glitch"), `A bug is on, ${state.glitch.name}: ${state.glitch.what}`);
  document.title = `${state.serves ? "" : "! "}${state.headline}`;
}

function wordsOf(member) {
  if (!member.pid) {
    const again = member.restarts_in_s === null ? "" : `again in ${Math.max(0, Math.round(member.restarts_in_s))} s`;
    return ["down", again, ""];
  }
  if (member.stopped) return ["stopped", `pid ${member.pid}`, ""];
  if (member.state !== "up") return ["does not answer", `pid ${member.pid}`, ""];
  if (member.kind === "control") return [`answers ${member.answers}`, `${member.per_s ?? 0} requests/s`, `pid ${member.pid}`];
  if (member.votes === false) return ["does not vote", member.phase, `pid ${member.pid}`];
  const lag = member.lag ? `, ${member.lag} behind` : "";
  const disk = member.disk ? `disk: ${member.disk}` : member.disk_failed ? "its disk failed" : `durable ${member.durable}`;
  return [`shows ${member.shown}${lag}`, disk, `pid ${member.pid}`];
}

function showMember(member, most) {
  const group = drawing.querySelector(`[data-name="${member.name}"]`);
  const words = wordsOf(member);
  const isDown = !member.pid || (member.kind === "control" && member.serves === false) || member.disk_failed;
  const classes = ["node", member.kind, isDown ? "down" : "", member.stopped ? "stopped" : "", member.lag || member.votes === false ? "behind" : "", chosen?.name === member.name ? "chosen" : ""];
  set(group, "class", classes.filter(Boolean).join(" "));
  set(group, "aria-label", `${member.name}: ${words.filter(Boolean).join(", ")}`);
  group.querySelectorAll(".small").forEach((text, row) => tell(text, words[row]));
  const width = Math.max(0, places.get(member.name).width - 20);
  const levels = group.querySelectorAll(".level");
  [member.durable, member.shown].forEach((value, place) => {
    if (levels[place]) set(levels[place], "width", (width * Number(value ?? 0)) / most);
  });
}

function showLink(link) {
  const group = drawing.querySelector(`[data-link="${link.source} ${link.target}"]`);
  const state_of = [
    link.cut.length ? (link.cut.length > 1 ? "cut" : `cut ${link.cut[0]}`) : "",
    link.held.length ? `holds ${link.waiting_bytes} bytes` : "",
    link.delay_s ? `${Math.round(link.delay_s * 1000)} ms` : "",
  ].filter(Boolean);
  const isChosen = chosen?.link?.join(" ") === `${link.source} ${link.target}`;
  const classes = ["link", link.cut.length ? "cut" : "", link.held.length ? "held" : "", link.delay_s ? "slow" : "", isChosen ? "chosen" : ""];
  set(group, "class", classes.filter(Boolean).join(" "));
  set(group, "aria-label", `link between ${link.source} and ${link.target}: ${state_of.join(", ") || "well"}`);
  tell(group.querySelector("text"), state_of.join(", "));
}

// What can be done to what was chosen.

function choose(what) {
  chosen = what;
  structureOfChosen = "";
  show();
}

let structureOfChosen = "";

function showChosen() {
  if (!chosen) return;
  const { title, verbs } = chosen.name ? forMember(state.members.find((each) => each.name === chosen.name)) : forLink(...chosen.link);
  const now = JSON.stringify([title, verbs.map(([text]) => text)]);
  if (now === structureOfChosen) return;
  structureOfChosen = now;
  const focused = document.activeElement?.dataset?.verb;
  const head = document.createElement("p");
  const name = document.createElement("b");
  name.textContent = title;
  head.append(name);
  const row = document.createElement("div");
  row.className = "verbs";
  for (const [text, wanted, question] of verbs) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.dataset.verb = text;
    if (question) made.className = "harsh";
    made.addEventListener("click", () => {
      if (!question || confirm(question)) ask(wanted).then((done) => done?.command && say(done.command));
    });
    row.append(made);
  }
  $("chosen").replaceChildren(head, row);
  if (focused) $("chosen").querySelector(`[data-verb="${CSS.escape(focused)}"]`)?.focus();
}

function forMember(member) {
  const { name } = member;
  const verbs = member.pid
    ? [
        ["kill -9", { verb: "kill", name }],
        ["restart", { verb: "restart", name }],
        member.stopped ? ["continue", { verb: "go_on", name }] : ["stop", { verb: "stop", name }],
      ]
    : [["start", { verb: "start", name }]];
  if (member.kind === "vault") {
    for (const [ill, words] of [["full", "disk full"], ["failing", "syncs fail"], ["slow", "disk slow"], ["", "disk well"]]) {
      if (ill !== member.disk) verbs.push([words, { verb: "disk", name, ill }]);
    }
    verbs.push(["empty its disk", { verb: "empty", name }, `${name} will forget all that it has acknowledged. The register may go back. Do it?`]);
  }
  return { title: name, verbs };
}

function forLink(source, target) {
  const both = { source, target };
  return {
    title: `${source} ↔ ${target}`,
    verbs: [
      ["cut both ways", { verb: "cut", ...both, way: "both" }],
      [`cut ${source} → ${target}`, { verb: "cut", source, target, way: "there" }],
      [`cut ${target} → ${source}`, { verb: "cut", source: target, target: source, way: "there" }],
      ["slow: 300 ms", { verb: "slow", ...both, delay_s: 0.3 }],
      ["hold", { verb: "hold", ...both, way: "both" }],
      ["release", { verb: "release", ...both, way: "both" }],
      ["heal", { verb: "heal", ...both }],
    ],
  };
}

// Messages.

const isVault = (name) => state.members.some((each) => each.kind === "vault" && each.name === name);
const dots = new Dots($("dots"), (name) => places.get(name), () => drawing.viewBox.baseVal.width);
const round = new Round(isVault);

function took({ messages, now_s }) {
  for (const message of messages) {
    if (message.arrived_s === null) {
      round.sent(message);
      dots.depart(message, (now_s - message.sent_s) * 1000);
    } else {
      round.arrived(message);
      dots.arrive(message);
    }
  }
  round.show();
}

// Clients, the log, the timeline.

function answered({ client, kind, value, code, text, means, took_s }) {
  if (client !== "you") return;
  const what = kind === "write" ? `write ${value}` : "read";
  const words = code ? `${code} ${text}` : "no answer";
  say(`${what}: ${words}, after ${(took_s * 1000).toFixed(0)} ms${means ? `. It is ${means}` : ""}`);
}

let lastLogged = 0;

function logged({ at_s, clock, who, what, command, number }) {
  if (number <= lastLogged) return; // it came before the connection was lost
  lastLogged = number;
  if (who === STORY) $("scene").textContent = what;
  const item = element("li", "", ` ${who}: ${what}`);
  const moment = element("button", "moment", clock);
  moment.type = "button";
  moment.setAttribute("aria-label", `${clock}: show it in the timeline`);
  moment.addEventListener("click", () => showMoment(at_s));
  item.prepend(moment);
  if (command) item.append(element("div", "command", command));
  $("log").prepend(item);
  while ($("log").children.length > LOG_MAX) $("log").lastChild.remove();
}

const drawTimeline = (seconds) =>
  drawFrom(`timeline.json?s=${seconds}`, "timeline").catch(() => {
    // The next one will do.
  });

// The same in simulation: its picture stands beside that of what has happened here.

async function simulate() {
  const button = $("simulate");
  button.disabled = true;
  say("A simulated grid does what was done to this one ...");
  const done = await ask({ verb: "simulate" });
  button.disabled = false;
  if (!done) return;
  say(done.sentence);
  $("verdict").textContent = done.sentence;
  $("again").textContent = done.command;
  $("simulated").hidden = false;
  if (!paused) pause(true);
  try {
    const drawn = await drawFrom("simulation.json", "simulation");
    drawn?.fold(true);
    if (drawn?.data.marks.length) drawn.goTo({ finding: 0 });
  } catch {
    say("Its picture does not come: try once more.");
  }
  $("simulated").scrollIntoView({ block: "nearest" });
}

$("simulate").addEventListener("click", simulate);
$("close").addEventListener("click", () => {
  $("simulated").hidden = true;
  $("simulation").replaceChildren();
  $("simulate").focus();
});


function pause(wanted) {
  paused = wanted;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "go on" : "pause, and show the last minute";
  return drawTimeline(paused ? PAUSED_S : TIMELINE_S);
}

$("pause").addEventListener("click", () => pause(!paused));

/** The timeline stops, at what the log tells of. */
async function showMoment(at_s) {
  const drawn = await pause(true);
  if (!drawn) return;
  const at_ns = (at_s - drawn.data.begins_s) * 1e9;
  if (at_ns < 0) {
    say("That was more than a minute ago: the timeline has forgotten it.");
    return;
  }
  drawn.show(at_ns - AROUND_NS, at_ns + AROUND_NS);
  drawn.seek(at_ns);
  $("past").scrollIntoView({ block: "nearest" });
}

$("client").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = $("value").value.trim();
  ask({ verb: "write", value: typed || String(Number(state?.value ?? 0) + 1) });
  $("value").value = "";
});
$("read").addEventListener("click", () => ask({ verb: "read" }));
$("load").addEventListener("change", () => ask({ verb: "load", per_s: Number($("load").value) }));
$("bugs").addEventListener("change", () => ask({ verb: "glitch", name: $("bugs").value }));
$("reset").addEventListener("click", reset);

async function reset() {
  $("bugs").value = "";
  $("scene").textContent = "";
  await ask({ verb: "load", per_s: 0 });
  await ask({ verb: "reset" });
  await ask({ verb: "check anew" });
}

// Scenes for a talk: the space bar plays the next one.

let scene = -1;
let playing = 0;

async function play(number) {
  if (!state) return;
  scene = number;
  const mine = ++playing;
  const { title, steps } = SCENES[number];
  for (const [words, wanted, wait_ms] of steps(state.members)) {
    if (mine !== playing) return;
    $("scene").textContent = `${number + 1}. ${title}: ${words}`;
    for (const each of wanted) await ask(each);
    await rest(wait_ms);
  }
}

SCENES.forEach(({ title }, number) => {
  const made = element("button", "", `${number + 1} ${title}`);
  made.type = "button";
  made.addEventListener("click", () => play(number));
  $("scenes").append(made);
});

/** Keys are the page's own wherever they mean nothing else: a picture has keys of its own, and a button the space. */
function isTaken({ target, key }) {
  const typed = "input:not([type=range]), select, .picture";
  return target.closest?.(key === " " ? `${typed}, button, a, [role=button]` : typed);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
  if (event.key === " ") {
    event.preventDefault();
    play((scene + 1) % SCENES.length);
  } else if (event.key === "0") {
    playing += 1;
    scene = -1;
    reset();
  } else if (event.key === "s") {
    simulate();
  } else if (/^[1-9]$/.test(event.key) && SCENES[Number(event.key) - 1]) {
    play(Number(event.key) - 1);
  }
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
  on("done", answered);
  on("log", logged);
  on("end", () => {
    events.close();
    state = { ...state, headline: "The grid has ended.", serves: false };
    show();
  });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) return;
    $("headline").textContent = "The connection to the grid is lost; trying again ...";
    $("headline").className = "bad";
  };
}

new ResizeObserver(() => state && show()).observe(drawing);
fetch("glitches.json")
  .then((answer) => answer.json())
  .then((known) => {
    for (const [name, what] of Object.entries(known)) $("bugs").append(new Option(`${name}: ${what}`, name));
  })
  .catch(() => say("The list of bugs does not come: load the page again."));
listen();
follow(() => !paused, () => drawTimeline(TIMELINE_S));
