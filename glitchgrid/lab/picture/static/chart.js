// The drawing: a lane for each process, and what happens in them between `view.from` and `view.to`.

const TEXT_FROM_PX = 70;
const MESSAGES_WITH_TEXT_MAX = 120;
const CHARACTER_PX = 6.2;
const NAME_CHARACTER_PX = 6.6;
const FLAG_WIDTH = 84;

let charts = 0;

class Chart {
  constructor(data, view, axis) {
    this.axis = axis;
    this.id = `chart${++charts}`;
    this.data = data;
    this.view = view;
    this.svg = shape("svg", { class: "chart", role: "img", tabindex: 0, "aria-label": "Timeline of the run" });
    this.lanes = layOut(data.lanes);
    this.rows = ribbonRows(data.faults);
    this.hidden = new Set();
    this.downs = this._downs();
    const values = data.stairs.flatMap((stair) => stair.steps.map(([, value]) => Number(value)));
    this.values = { least: Math.min(0, ...values), most: Math.max(1, ...values) };
    this.svg.setAttribute("height", this.lanes.height);
    this.dense = new Dense(this);
  }

  /** What is at a place of the window, by its kind and number; null where there is nothing. */
  at(event) {
    const found = event.target.closest("[data-kind]");
    if (found) return { kind: found.dataset.kind, index: Number(found.dataset.index) };
    if (!this.isDense) return null;
    const box = this.svg.getBoundingClientRect();
    return this.dense.at(event.clientX - box.left, event.clientY - box.top);
  }

  get gutter() {
    if (this.width >= 560) return 104;
    const longest = Math.max(0, ...this.data.lanes.map((lane) => lane.name.length));
    return Math.min(104, Math.max(66, 12 + longest * NAME_CHARACTER_PX));
  }

  x(ns) {
    const { from, to } = this.places;
    return this.gutter + ((this.axis.place(ns) - from) / (to - from)) * (this.width - this.gutter);
  }

  ns(x) {
    const { from, to } = this.places;
    return this.axis.time(from + ((x - this.gutter) / (this.width - this.gutter)) * (to - from));
  }

  render() {
    this.places = { from: this.axis.place(this.view.from), to: this.axis.place(this.view.to) };
    this.width = Math.max(240, this.svg.clientWidth || this.svg.parentElement?.clientWidth || 800);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.lanes.height}`);
    this.isDense = this._counted() > DENSE_FROM;
    this.dense.canvas.hidden = !this.isDense;
    if (this.isDense) this.dense.render();
    const inside = shape("g", { "clip-path": `url(#${this.id}-inside)` });
    inside.append(
      ...(this.isDense ? [] : this._faultBodies()),
      ...this._downRectangles(),
      ...this._stairs(),
      ...this._lives(),
      ...(this.isDense ? [] : [...this._messages(), ...this._operations(), ...this._ribbons()]),
    );
    this.moving = shape("g", { "clip-path": `url(#${this.id}-inside)` });
    const above = shape("g", { "clip-path": `url(#${this.id}-inside)` });
    above.append(...this._marks());
    this.svg.replaceChildren(this._definitions(), ...this._grid(), inside, this.moving, above);
    this.renderNow();
  }

  /** What depends on the moment alone: the veil over what is still to come, and messages on their way. */
  renderNow() {
    const { now, to } = this.view;
    const x = this.x(now);
    const parts = [shape("line", { class: "now", x1: x, x2: x, y1: 0, y2: this.lanes.height })];
    if (now < to) {
      const left = Math.max(x, this.gutter);
      parts.unshift(shape("rect", { class: "veil", x: left, y: 0, width: Math.max(0, this.width - left), height: this.lanes.height }));
    }
    for (const message of this.data.messages) {
      if (message.sent_ns > now) break;
      if (!this._isDrawn(message)) continue;
      const end = this._endOf(message);
      if (end.ns <= now) continue;
      const share = (now - message.sent_ns) / (end.ns - message.sent_ns);
      const from = this.lanes.places.get(message.source).line;
      parts.push(shape("circle", { class: "flying", cx: x, cy: from + (end.y - from) * share, r: 4 }));
    }
    this.moving.replaceChildren(...parts);
  }

  _definitions() {
    const definitions = shape("defs", {});
    const clip = shape("clipPath", { id: `${this.id}-inside` });
    clip.append(shape("rect", { x: this.gutter, y: 0, width: this.width - this.gutter, height: this.lanes.height }));
    const head = shape("marker", { id: `${this.id}-head`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" });
    head.append(shape("path", { class: "head", d: "M0 0 L8 4 L0 8 z" }));
    const down = shape("pattern", { id: `${this.id}-down`, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    down.append(shape("line", { class: "down-line", x1: 0, x2: 0, y1: 0, y2: 7 }));
    const dots = shape("pattern", { id: `${this.id}-dots`, width: 5, height: 5, patternUnits: "userSpaceOnUse" });
    dots.append(shape("circle", { class: "fault-pattern", cx: 2.5, cy: 2.5, r: 1 }));
    const stripes = shape("pattern", { id: `${this.id}-stripes`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(-45)" });
    stripes.append(shape("rect", { class: "fault-pattern", x: 0, y: 0, width: 1.6, height: 6 }));
    definitions.append(clip, head, down, dots, stripes);
    return definitions;
  }

  _grid() {
    const parts = [];
    for (const lane of this.lanes.places.values()) {
      if (!this.isDense) {
        parts.push(shape("rect", { class: lane.number % 2 ? "lane odd" : "lane", x: 0, y: lane.top, width: this.width, height: lane.height }));
      }
      parts.push(shape("text", { class: "name", x: 6, y: lane.line + 4 }, lane.name));
    }
    const { from, to } = this.view;
    const step = roundStep(this.axis.place(to) - this.axis.place(from), (this.width - this.gutter) / 110);
    for (const [begin, end] of this.axis.straightBetween(from, to)) {
      for (let at = Math.ceil(begin / step) * step; at <= end; at += step) parts.push(...this._tick(at, step));
    }
    return [...parts, ...this._folds()];
  }

  _tick(at, step) {
    const x = this.x(at);
    const anchor = x > this.width - 40 ? "end" : x < this.gutter + 30 ? "start" : "middle";
    return [
      shape("line", { class: "grid", x1: x, x2: x, y1: AXIS_HEIGHT - 5, y2: this.lanes.height }),
      shape("text", { class: "tick", x, y: 12, "text-anchor": anchor }, timeText(at, step)),
    ];
  }

  /** A band for each rest that is folded, with how long it lasts. */
  _folds() {
    return this.axis.foldsBetween(this.view.from, this.view.to).map(([from, to]) => {
      const { x, width } = this._box(from, to, 4);
      const group = shape("g", { class: "fold" });
      const title = shape("title", {}, `nothing happens for ${spanText(to - from)}`);
      group.append(title, shape("rect", { x, y: AXIS_HEIGHT - 5, width, height: this.lanes.height - AXIS_HEIGHT + 5 }));
      if (width > 3 * CHARACTER_PX) group.append(shape("text", { x: x + width / 2, y: this.lanes.height - 5, "text-anchor": "middle" }, "…"));
      return group;
    });
  }

  /** How many things there are to be seen. */
  _counted() {
    const { faults, messages, operations, duration_ns } = this.data;
    let count = 0;
    for (const fault of faults) if (this._sees(fault.begin_ns, fault.end_ns)) count += 2 * fault.lanes.length;
    for (const message of messages) count += Number(this._seesMessage(message));
    for (const each of operations) count += Number(this._sees(each.called_ns, each.returned_ns ?? duration_ns));
    return count;
  }

  _seesMessage(message) {
    return this._isDrawn(message) && this._sees(message.sent_ns, this._endOf(message).ns);
  }

  _sees(from, to) {
    return from <= this.view.to && to >= this.view.from;
  }

  _box(from_ns, to_ns, least = 2) {
    const x = Math.max(this.x(from_ns), this.gutter - 10);
    return { x, width: Math.max(least, Math.min(this.x(to_ns), this.width + 10) - x) };
  }

  /** When each lane's process was not running. */
  _downs() {
    const downs = [];
    for (const lane of this.data.lanes) {
      const lives = this.data.lives.filter((life) => life.lane === lane.name);
      if (!lives.length) continue;
      let from = 0;
      for (const life of lives) {
        if (life.from_ns > from) downs.push({ lane: lane.name, from, to: life.from_ns });
        from = life.to_ns ?? Infinity;
      }
      if (from < this.data.duration_ns) downs.push({ lane: lane.name, from, to: this.data.duration_ns });
    }
    return downs;
  }

  _downRectangles() {
    return this.downs
      .filter((down) => this._sees(down.from, down.to))
      .map((down) => {
        const lane = this.lanes.places.get(down.lane);
        return shape("rect", { class: "down", fill: `url(#${this.id}-down)`, ...this._box(down.from, down.to), y: lane.top, height: lane.height });
      });
  }

  _lives() {
    return this.data.lives
      .filter((life) => this._sees(life.from_ns, life.to_ns ?? Infinity))
      .map((life) => {
        const { x, width } = this._box(life.from_ns, life.to_ns ?? this.data.duration_ns);
        const { line } = this.lanes.places.get(life.lane);
        return shape("line", { class: "life", x1: x, x2: x + width, y1: line, y2: line });
      });
  }

  _eachRibbon(draw) {
    return this.data.faults.flatMap((fault, index) =>
      this._sees(fault.begin_ns, fault.end_ns) && !this.hidden.has(fault.kind)
        ? fault.lanes.map((name, place) => draw(fault, index, this.lanes.places.get(name), this.rows[index][place]))
        : [],
    );
  }

  _faultBodies() {
    return this._eachRibbon((fault, index, lane) =>
      shape("rect", { class: "fault-body", ...this._box(fault.begin_ns, fault.end_ns), y: lane.top, height: lane.height }),
    );
  }

  _ribbons() {
    return this._eachRibbon((fault, index, lane, row) => {
      const box = this._box(fault.begin_ns, fault.end_ns, 3);
      const y = lane.top + row * RIBBON_HEIGHT;
      const group = shape("g", {});
      const idle = fault.was_idle ? " idle" : "";
      const place = { ...box, y, height: RIBBON_HEIGHT - 1 };
      group.append(shape("rect", of("faults", index, { class: `fault${idle}`, ...place, fill: colourOf(fault.kind) })));
      const pattern = patternOf(fault.kind);
      if (pattern) group.append(shape("rect", { class: "over", ...place, fill: `url(#${this.id}-${pattern})` }));
      if (box.width > fault.kind.length * CHARACTER_PX) {
        group.append(shape("text", { class: "fault-text", x: Math.max(box.x, this.gutter) + 4, y: y + 10 }, fault.kind));
      }
      return group;
    }).flat();
  }

  _stairs() {
    return this.data.stairs.flatMap((stair) => this._stair(stair));
  }

  _stair(stair) {
    const lane = this.lanes.places.get(stair.lane);
    const [top, bottom] = lane.stairs;
    const { least, most } = this.values;
    const y = (value) => bottom - ((Number(value) - least) / (most - least)) * (bottom - top);
    const first = Math.max(0, firstAfter(stair.steps, this.view.from, ([at]) => at) - 1);
    const last = firstAfter(stair.steps, this.view.to, ([at]) => at);
    const seen = stair.steps.slice(first, last);
    if (!seen.length) return [];
    const edge = Math.max(this.gutter - 2, Math.min(this.x(stair.until_ns ?? this.data.duration_ns), this.width + 2));
    let path = "";
    const texts = [];
    let textUntil = -Infinity;
    for (const [at, value] of seen) {
      const x = Math.max(this.x(at), this.gutter - 2);
      path += path ? `H${x} V${y(value)}` : `M${x} ${y(value)}`;
      if (stair.name === "durable" && x > textUntil) {
        texts.push(shape("text", { class: "stair-text", x: Math.max(x, this.gutter) + 3, y: y(value) - 3 }, value));
        textUntil = x + String(value).length * CHARACTER_PX + 12;
      }
    }
    path += `H${edge}`;
    const parts = [shape("path", { class: `stair ${stair.name}`, d: path, "data-lane": stair.lane, "data-steps": seen.length })];
    if (stair.name === "durable") {
      const start = Math.max(this.x(seen[0][0]), this.gutter - 2);
      parts.unshift(shape("path", { class: "area", d: `${path} V${bottom} H${start} Z` }));
    }
    return [...parts, ...texts];
  }

  /** Where a message's arrow ends: halfway, if it never arrives. */
  _endOf(message) {
    const from = this.lanes.places.get(message.source).line;
    const to = this.lanes.places.get(message.target).line;
    if (message.arrived_ns !== null) return { ns: message.arrived_ns, y: to };
    return { ns: message.lost_ns, y: from + (to - from) / 2 };
  }

  _isDrawn(message) {
    return this.lanes.places.has(message.source) && this.lanes.places.has(message.target);
  }

  _messages() {
    const seen = [];
    this.data.messages.forEach((message, index) => {
      if (this._seesMessage(message)) seen.push([message, index]);
    });
    const withText = seen.length <= MESSAGES_WITH_TEXT_MAX;
    return seen.flatMap(([message, index]) => this._message(message, index, withText));
  }

  _line(message) {
    const end = this._endOf(message);
    return { x1: this.x(message.sent_ns), y1: this.lanes.places.get(message.source).line, x2: this.x(end.ns), y2: end.y };
  }

  _message(message, index, withText) {
    const ends = this._line(message);
    const lost = message.arrived_ns === null;
    const classes = ["message", message.tone, lost ? "lost" : "", this._chosen("messages", index)].filter(Boolean);
    const parts = [
      shape("line", of("messages", index, { class: classes.join(" "), ...ends, ...(lost ? {} : { "marker-end": `url(#${this.id}-head)` }) })),
      shape("line", of("messages", index, { class: "near", ...ends })),
    ];
    const length = Math.hypot(ends.x2 - ends.x1, ends.y2 - ends.y1);
    if (lost) parts.push(shape("text", { class: "message-text", x: ends.x2 - 3, y: ends.y2 + 4 }, "✕"));
    if (withText && length > Math.max(TEXT_FROM_PX, message.text.length * CHARACTER_PX * 1.5)) {
      // A third of the way: what comes back crosses in the middle.
      const x = ends.x1 + (ends.x2 - ends.x1) / 3;
      const y = ends.y1 + (ends.y2 - ends.y1) / 3;
      parts.push(shape("text", { class: "message-text", x: x + 5, y }, message.text));
    }
    return parts;
  }

  _operations() {
    return this.data.operations.flatMap((operation, index) => {
      const until = operation.returned_ns ?? this.data.duration_ns;
      if (!this._sees(operation.called_ns, until)) return [];
      const lane = this.lanes.places.get(operation.lane);
      const box = this._box(operation.called_ns, until, 3);
      const outcome = operation.outcome === "ok" ? operation.kind : operation.outcome;
      const classes = ["operation", outcome, operation.is_wrong ? "wrong" : "", operation.is_outside ? "outside" : "", this._chosen("operations", index)];
      const parts = [
        shape("rect", of("operations", index, { class: classes.filter(Boolean).join(" "), ...box, y: lane.top + 4, height: lane.height - 8, rx: 3 })),
      ];
      if (box.width > operation.text.length * CHARACTER_PX + 8) {
        parts.push(shape("text", { class: "operation-text", x: Math.max(box.x, this.gutter) + 4, y: lane.line + 4 }, operation.text));
      }
      return parts;
    });
  }

  _marks() {
    return this.data.marks.flatMap((mark, index) => {
      if (!this._sees(mark.at_ns, mark.at_ns)) return [];
      const x = this.x(mark.at_ns);
      const left = Math.min(x, this.width - FLAG_WIDTH);
      return [
        shape("line", { class: "mark", x1: x, x2: x, y1: AXIS_HEIGHT, y2: this.lanes.height }),
        shape("rect", of("marks", index, { class: "mark-flag", x: left, y: AXIS_HEIGHT - 3, width: FLAG_WIDTH, height: FLAG_HEIGHT, rx: 3 })),
        shape("text", { class: "mark-text", x: left + 6, y: AXIS_HEIGHT + 10 }, `✕ ${mark.oracle}`),
      ];
    });
  }

  _chosen(kind, index) {
    const { chosen } = this.view;
    return chosen && chosen.kind === kind && chosen.index === index ? "chosen" : "";
  }
}
