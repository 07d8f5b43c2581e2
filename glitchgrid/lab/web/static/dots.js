// Messages on their way, as dots on a canvas that lies over the drawing: as elements of it, hundreds would be too slow.

import { $, dialogueOf } from "./page.js";

const DOTS_MAX = 500;
const DOT_MS_MIN = 250;
const DOT_MS_MAX = 60_000;
const LATE_MS_MAX = 200;
const LABELLED_MAX = 40;
const RADIUS = 6;
const HELD_AT = 0.55; // so far a message comes that has not arrived
const TONES = ["plain", "refusal", "failure"];

export class Dots {
  /**
   * `placeOf(name)`: where a node is: its middle, top, and height, in the drawing's own measure.
   * `width()`: the drawing's, in that measure.
   */
  constructor(canvas, placeOf, width) {
    this.canvas = canvas;
    this.placeOf = placeOf;
    this.width = width;
    this.dots = new Map();
    this.isMoving = false;
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.readColours());
  }

  /** The legend has them. */
  readColours() {
    this.colours = Object.fromEntries(TONES.map((tone) => [tone, getComputedStyle($(`tone-${tone}`)).color]));
    const { color, backgroundColor } = getComputedStyle(document.body);
    [this.ink, this.ground] = [color, backgroundColor];
  }

  /** How many times as long as it takes: from 1 to some thousands. */
  pace() {
    return 10 ** (Number($("pace").value) / 27);
  }

  /** A message was sent, so long ago. */
  depart(message, late_ms) {
    const { source, target } = message;
    if (this.isStill || this.dots.size >= DOTS_MAX || !this.placeOf(source) || !this.placeOf(target)) return;
    this.dots.set(keyOf(message), {
      message,
      began: performance.now() - Math.min(LATE_MS_MAX, Math.max(0, late_ms)),
      for_ms: DOT_MS_MIN * Math.max(1, this.pace() / 4),
      arrived: false,
      at: 0,
    });
    this.move();
  }

  arrive(message) {
    const dot = this.dots.get(keyOf(message));
    if (!dot) return;
    dot.arrived = true;
    dot.for_ms = Math.max(dot.for_ms, (message.arrived_s - message.sent_s) * 1000 * this.pace());
  }

  /** It comes no further than half its way. */
  lose(message) {
    const dot = this.dots.get(keyOf(message));
    if (dot) dot.lost = true;
  }

  move() {
    if (this.isMoving) return;
    this.isMoving = true;
    requestAnimationFrame((at) => {
      this.isMoving = false;
      this.advance(at);
      this.draw();
      if (this.dots.size) this.move();
    });
  }

  advance(at) {
    for (const [key, dot] of this.dots) {
      const share = Math.min(1, Math.max(0, (at - dot.began) / dot.for_ms));
      dot.at = dot.arrived ? Math.max(dot.at, share) : Math.min(share, HELD_AT);
      if (dot.at >= 1 || (dot.lost && dot.at >= HELD_AT) || at - dot.began > DOT_MS_MAX) this.dots.delete(key);
    }
  }

  draw() {
    const pen = this.clear();
    const texts = [];
    for (const tone of TONES) {
      pen.beginPath();
      for (const { at, message } of this.dots.values()) {
        if (message.tone !== tone) continue;
        const [x, y] = this.pointOf(message, at);
        pen.moveTo(x + RADIUS, y);
        pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
        if (this.dots.size < LABELLED_MAX) texts.push([message.text, x + 9, y + 4]);
      }
      pen.fillStyle = this.colours[tone];
      pen.fill();
    }
    pen.fillStyle = this.ink;
    for (const text of texts) {
      pen.strokeText(...text);
      pen.fillText(...text);
    }
  }

  /** A clean canvas, in the drawing's measure, whatever the size of the window is now. */
  clear() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((each) => Math.round(each * devicePixelRatio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    const scale = width / this.width();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    Object.assign(pen, { font: "12px system-ui, sans-serif", lineWidth: 3, strokeStyle: this.ground });
    return pen;
  }

  pointOf({ source, target }, at) {
    const [from, to] = [this.placeOf(source), this.placeOf(target)];
    const [y1, y2] = from.y < to.y ? [from.y + from.height, to.y] : [from.y, to.y + to.height];
    return [from.x + (to.x - from.x) * at, y1 + (y2 - y1) * at];
  }
}

const keyOf = (message) => `${message.source} ${dialogueOf(message)}`;
