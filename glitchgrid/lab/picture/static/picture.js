// A run that can be watched: the drawing, the overview, the trace, and what moves them.
//
// drawPicture(element, data) makes one. `data` is what glitchgrid.lab.picture.model describes.

const SPEEDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const WATCHED_S = 10;
const ZOOM = 1.6;
const LINES_BEFORE = 20;
const KEYS = [
  ["space", "play, pause"], ["← →", "line by line"], ["+ −", "closer, farther"], ["shift ← →", "move"],
  ["f", "all of it"], ["v", "finding after finding"], ["/", "find a value"], ["r", "fold rests"], ["home end", "begin, end"],
  ["< >", "slower, faster"],
];

class Picture {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.view = { from: 0, to: data.duration_ns, now: data.duration_ns, chosen: null };
    this.found = -1;
    this.searched = -1;
    this.owns = false;
    this.playing = false;
    this.axis = new Axis(data);
    this.speed = this._fittingSpeed();
    this.chart = new Chart(data, this.view, this.axis);
    this.overview = new Overview(data, this.view, this.axis);
    this.lines = new Lines(data, (line) => this.goToLine(line));
    this.details = element("div", "details", { "aria-live": "polite" });
    this.tip = element("div", "tip", { hidden: "" });
    this._build();
    this._listen();
    this.theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    this.render();
    this._tellLine();
  }

  // What can be asked of it.

  /** The page is this picture's alone: its keys are the page's, and its places are the page's addresses. */
  ownPage() {
    this.owns = true;
    this.fold(true);
    document.addEventListener("keydown", (event) => {
      if (event.target === document.body) this._pressed(event);
    });
    addEventListener("hashchange", () => this.goTo(placeOf(location.hash)));
    this.goTo(placeOf(location.hash) ?? (this.data.marks.length ? { finding: 0 } : null));
    return this;
  }

  /** To a place, as `placeOf` gives it. */
  goTo(place) {
    if (!place) return;
    this.pause();
    if ("finding" in place) {
      this.found = Math.min(place.finding, this.data.marks.length - 1) - 1;
      this.toFinding();
    } else if ("at" in place) {
      this.seek(place.at);
    } else {
      this.view.now = Math.min(place.to, this.data.duration_ns);
      this.show(place.from, place.to);
    }
  }

  /** To the next operation that has to do with a value. */
  find(value) {
    const { operations } = this.data;
    const wanted = value.trim();
    if (!wanted || !operations.length) return;
    const isIn = (text) => text.split(/[^0-9A-Za-z_.-]+/).includes(wanted);
    for (let step = 1; step <= operations.length; step += 1) {
      const index = (this.searched + step) % operations.length;
      const operation = operations[index];
      if (!isIn(operation.text) && !isIn(operation.detail)) continue;
      this.searched = index;
      const until = operation.returned_ns ?? this.data.duration_ns;
      const span = Math.max(until - operation.called_ns, SPAN_NS_MIN);
      this.view.now = until;
      this.show(operation.called_ns - span, until + span);
      this.choose("operations", index);
      return;
    }
    tell(this.details, { title: `No operation has to do with ${wanted}.`, rows: [] });
  }

  /** Draw faults of a kind, or leave them out. */
  toggle(kind) {
    const { hidden } = this.chart;
    if (!hidden.delete(kind)) hidden.add(kind);
    this.chart.render();
    return !hidden.has(kind);
  }

  show(from, to) {
    const span = Math.min(Math.max(to - from, SPAN_NS_MIN), this.data.duration_ns);
    this.view.from = Math.min(Math.max(0, from), this.data.duration_ns - span);
    this.view.to = this.view.from + span;
    this.render();
  }

  showAll() {
    this.show(0, this.data.duration_ns);
  }

  zoom(factor, around = this._middle()) {
    const { axis } = this;
    const [from, to, at] = [this.view.from, this.view.to, around].map((ns) => axis.place(ns));
    this.show(axis.time(at - (at - from) / factor), axis.time(at + (to - at) / factor));
  }

  move(share) {
    this._moveFrom(this.view.from, this.view.to, share);
  }

  /** Fold the times in which nothing happens, or unfold them. */
  fold(are) {
    this.axis.folds(are);
    this.overview.draw();
    if (this.folder) this.folder.setAttribute("aria-pressed", String(this.axis.are_folded));
    this.render();
  }

  /** Make `ns` the moment that is shown, and have it in the window. */
  seek(ns) {
    this.view.now = Math.min(Math.max(0, ns), this.data.duration_ns);
    const { axis } = this;
    const [from, to, now] = [this.view.from, this.view.to, this.view.now].map((each) => axis.place(each));
    const span = to - from;
    if (now < from || now > from + 0.9 * span) this._showPlaces(now - 0.15 * span, now + 0.85 * span);
    else this._renderNow();
  }

  /** Of which the axis has so much; what is beyond its ends moves the window back. */
  _showPlaces(from, to) {
    const { axis } = this;
    const span = Math.min(to - from, axis.length);
    const begin = Math.min(Math.max(0, from), axis.length - span);
    this.show(axis.time(begin), axis.time(begin + span));
  }

  _moveFrom(from_ns, to_ns, share) {
    const [from, to] = [this.axis.place(from_ns), this.axis.place(to_ns)];
    const by = (to - from) * share;
    this._showPlaces(from + by, to + by);
  }

  goToLine(number) {
    const line = this.data.trace[Math.min(Math.max(0, number), this.data.trace.length - 1)];
    if (!line) return;
    this.pause();
    this.view.chosen = null;
    this.seek(line[0]);
    this.lines.show(number);
    this._tellLine();
    this._address(hashOf(line[0]));
  }

  step(by) {
    const { current } = this.lines;
    // Several lines may have one time: from the last of them that is shown.
    this.goToLine(Math.min(Math.max(0, current + by), this.data.trace.length - 1));
  }

  /** To the first finding, then to the next one, and so on. */
  toFinding() {
    const { marks } = this.data;
    if (!marks.length) return;
    this.found = (this.found + 1) % marks.length;
    const mark = marks[this.found];
    const from = this._beginOf(mark);
    const span = Math.max(mark.at_ns - from, SPAN_NS_MIN);
    this.view.now = mark.at_ns;
    this.show(from - 0.25 * span, mark.at_ns + 0.25 * span);
    this.choose("marks", this.found);
    this._address(`#finding=${this.found + 1}`);
  }

  /** Where what shows a finding begins: the operations that contradict each other; where there are none, what led to it. */
  _beginOf(mark) {
    const shows = this.data.operations.find((each) => each.returned_ns === mark.at_ns);
    if (!shows) return (this.data.trace[this.lines.at(mark.at_ns) - LINES_BEFORE] ?? [0])[0];
    const wrong = this.data.operations.filter((each) => each.is_wrong && each.called_ns <= mark.at_ns);
    return Math.min(shows.called_ns, ...(shows.is_wrong ? wrong.map((each) => each.called_ns) : []));
  }

  choose(kind, index) {
    this.view.chosen = { kind, index };
    tell(this.details, describe(this.data, kind, index));
    this.chart.render();
  }

  play() {
    if (this.playing) return;
    if (this.view.now >= this.data.duration_ns) this.seek(0);
    this.playing = true;
    this._showPlaying();
    let before = null;
    const turn = (at_ms) => {
      if (!this.playing) return;
      if (before !== null) {
        const { axis } = this;
        this.seek(axis.time(Math.min(axis.place(this.view.now) + (at_ms - before) * 1e6 * this.speed, axis.length)));
      }
      before = at_ms;
      if (this.view.now >= this.data.duration_ns) this.pause();
      else requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  }

  pause() {
    this.playing = false;
    this._showPlaying();
  }

  faster(by) {
    const place = Math.min(Math.max(0, SPEEDS.indexOf(this.speed) + by), SPEEDS.length - 1);
    this.speed = SPEEDS[place];
    this.speeds.value = String(this.speed);
  }

  theme(name) {
    this.root.dataset.theme = name;
    this.themes.textContent = name === "dark" ? "light" : "dark";
  }

  render() {
    this.chart.render();
    this.overview.render();
    this._renderClock();
    this.lines.show(this._lineNow());
  }

  // How it is made.

  _build() {
    const findings = element("ul", "findings");
    this.data.marks.forEach((mark, number) => {
      const item = document.createElement("li");
      const link = element("a", "to-finding", { href: `#finding=${number + 1}` });
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.goTo({ finding: number });
      });
      const oracle = document.createElement("b");
      oracle.textContent = `${mark.oracle}: `;
      link.append(oracle, mark.text);
      item.append(link);
      findings.append(item);
    });
    const bar = element("div", "bar", { role: "toolbar", "aria-label": "Time" });
    this.player = button("play", "play or pause (space)", () => (this.playing ? this.pause() : this.play()));
    this.speeds = element("select", "speed", { "aria-label": "Speed" });
    for (const speed of SPEEDS) this.speeds.append(new Option(`${speed} ×`, String(speed), false, speed === this.speed));
    this.speeds.addEventListener("change", () => (this.speed = Number(this.speeds.value)));
    this.clock = element("span", "clock");
    this.extent = element("span", "extent");
    this.themes = button("dark", "light or dark", () => this.theme(this.root.dataset.theme === "dark" ? "light" : "dark"));
    bar.append(
      this.player,
      button("◂", "one line back (←)", () => this.step(-1)),
      button("▸", "one line on (→)", () => this.step(1)),
      this.speeds,
      this.clock,
      button("+", "closer (+)", () => this.zoom(ZOOM)),
      button("−", "farther (-)", () => this.zoom(1 / ZOOM)),
      button("all", "the whole run (f)", () => this.showAll()),
      ...(this.axis.rests.length ? [this._folder()] : []),
      ...(this.data.marks.length ? [button("finding", "the finding (v)", () => this.toFinding())] : []),
      this._search(),
      this.themes,
      this.extent,
    );
    const side = element("div", "side");
    side.append(this.details, this.lines.element);
    const drawing = element("div", "drawing");
    drawing.append(this.chart.dense.canvas, this.chart.svg);
    const body = element("div", "body");
    body.append(drawing, side);
    this.root.append(findings, bar, this.overview.svg, body, this._key(), this.tip);
  }

  _folder() {
    this.folder = button("fold", "fold the times in which nothing happens (r)", () => this.fold(!this.axis.are_folded));
    this.folder.setAttribute("aria-pressed", "false");
    return this.folder;
  }

  _search() {
    this.sought = element("input", "sought", { type: "search", placeholder: "value", "aria-label": "Find a value (/)", size: 8 });
    this.sought.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.find(this.sought.value);
      if (event.key === "Escape") this.chart.svg.focus();
    });
    return this.sought;
  }

  _kinds() {
    const kinds = element("details", "kinds");
    const summary = document.createElement("summary");
    summary.textContent = "kinds of faults: press one to leave it out";
    kinds.append(summary);
    for (const [kind, count] of kindsOf(this.data.faults)) {
      const chip = button(`${kind} ${count}`, `faults of the kind ${kind}`, () => {
        chip.setAttribute("aria-pressed", String(this.toggle(kind)));
      });
      chip.setAttribute("aria-pressed", "true");
      chip.style.setProperty("--of", colourOf(kind));
      chip.classList.add("kind", patternOf(kind) || "plain");
      kinds.append(chip);
    }
    return kinds;
  }

  _key() {
    const key = element("div", "key");
    const colours = [
      ["write", "write"], ["read", "read"], ["refused", "refused, 400"], ["unclear", "ambiguous"], ["failed", "failed"],
      ["durable", "durable"], ["shown", "shown to readers"], ["fault", "fault"],
    ];
    for (const [name, text] of colours) {
      const item = document.createElement("span");
      item.style.setProperty("--of", `var(--${name})`);
      item.textContent = text;
      key.append(item);
    }
    const keys = document.createElement("div");
    if (this.data.faults.length) key.append(this._kinds());
    keys.textContent = KEYS.map(([name, what]) => `${name}: ${what}`).join(" · ");
    key.append(keys);
    return key;
  }

  _listen() {
    const { svg } = this.chart;
    this.root.addEventListener("keydown", (event) => this._pressed(event));
    svg.addEventListener("pointermove", (event) => this._pointed(event));
    svg.addEventListener("pointerleave", () => (this.tip.hidden = true));
    svg.addEventListener("wheel", (event) => this._wheeled(event), { passive: false });
    svg.addEventListener("dblclick", (event) => this.zoom(ZOOM * ZOOM, this._nsOf(event)));
    this._drag(svg, (start, event) => {
      const by = (start.x - event.clientX) / (this.chart.width - this.chart.gutter);
      this._moveFrom(start.from, start.to, by);
    }, (event) => this._clicked(event));
    this._drag(this.overview.svg, (start, event) => {
      const [from, to] = [this.overview.ns({ clientX: start.x }), this.overview.ns(event)].sort((a, b) => a - b);
      this.show(from, to);
    }, (event) => this.seek(this.overview.ns(event)));
    new ResizeObserver(() => this.render()).observe(this.root);
  }

  /** `moved` while a pointer is dragged over `on`, `clicked` where it was not moved. */
  _drag(on, moved, clicked) {
    on.addEventListener("pointerdown", (down) => {
      if (down.button !== 0) return;
      const { from, to } = this.view;
      const start = { x: down.clientX, from, to };
      let dragged = false;
      const move = (event) => {
        dragged = dragged || Math.abs(event.clientX - start.x) > 3;
        if (!dragged) return;
        on.classList.add("grabbed");
        moved(start, event);
      };
      const up = (event) => {
        removeEventListener("pointermove", move);
        removeEventListener("pointerup", up);
        removeEventListener("pointercancel", up);
        on.classList.remove("grabbed");
        if (!dragged && event.type === "pointerup") clicked(down);
      };
      addEventListener("pointermove", move);
      addEventListener("pointerup", up);
      addEventListener("pointercancel", up);
    });
  }

  _pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const key = event.shiftKey && event.key.startsWith("Arrow") ? `Shift${event.key}` : event.key;
    const isButton = event.target.closest("button") && (key === " " || key === "Enter");
    const act = {
      " ": () => (this.playing ? this.pause() : this.play()),
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      ShiftArrowLeft: () => this.move(-0.2),
      ShiftArrowRight: () => this.move(0.2),
      "+": () => this.zoom(ZOOM),
      "=": () => this.zoom(ZOOM),
      "-": () => this.zoom(1 / ZOOM),
      f: () => this.showAll(),
      r: () => this.fold(!this.axis.are_folded),
      "/": () => this.sought.focus(),
      v: () => this.toFinding(),
      Home: () => this.seek(0),
      End: () => this.seek(this.data.duration_ns),
      "<": () => this.faster(-1),
      ">": () => this.faster(1),
      Escape: () => (this.tip.hidden = true),
    }[key];
    if (!act || isButton) return;
    event.preventDefault();
    act();
  }

  _wheeled(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, this._nsOf(event));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.move((event.deltaX || event.deltaY) / 1000);
    }
  }

  _pointed(event) {
    const found = this.chart.at(event);
    this.tip.hidden = !found;
    if (!found) return;
    tell(this.tip, describe(this.data, found.kind, found.index));
    const { width, height } = this.tip.getBoundingClientRect();
    this.tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 6))}px`;
    this.tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  }

  _clicked(event) {
    const found = this.chart.at(event);
    if (found) this.choose(found.kind, found.index);
    else {
      this.seek(this._nsOf(event));
      this._address(hashOf(this.view.now));
    }
  }

  /** What leads here again. */
  _address(hash) {
    if (this.owns) history.replaceState(null, "", hash);
  }

  _nsOf(event) {
    return this.chart.ns(event.clientX - this.chart.svg.getBoundingClientRect().left);
  }

  _middle() {
    const { from, to, now } = this.view;
    return now >= from && now <= to ? now : (from + to) / 2;
  }

  /** So that the whole run takes some ten seconds to watch. */
  _fittingSpeed() {
    const wanted = this.axis.length / 1e9 / WATCHED_S;
    return SPEEDS.find((speed) => speed >= wanted) ?? SPEEDS[SPEEDS.length - 1];
  }

  _lineNow() {
    const { current } = this.lines;
    const { trace } = this.data;
    // The line that was gone to stays, among others of the same time.
    if (current >= 0 && trace[current] && trace[current][0] === this.view.now) return current;
    return this.lines.at(this.view.now);
  }

  _renderNow() {
    this.chart.renderNow();
    this.overview.render();
    this._renderClock();
    this.lines.show(this._lineNow());
  }

  _renderClock() {
    const { from, to, now } = this.view;
    this.clock.textContent = timeText(now);
    this.extent.textContent = `${spanText(to - from)} of ${spanText(this.data.duration_ns)}`;
  }

  _showPlaying() {
    this.player.textContent = this.playing ? "pause" : "play";
  }

  _tellLine() {
    const line = this.data.trace[this.lines.current];
    if (line) tell(this.details, { title: `${timeText(line[0])} ${line[1]}`, rows: [line[3], line[2]] });
  }
}

function element(name, className, attributes = {}) {
  const made = document.createElement(name);
  made.className = className;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function button(text, label, act) {
  const made = element("button", "act", { type: "button", "aria-label": label, title: label });
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function drawPicture(root, data) {
  root.picture = new Picture(root, data);
  return root.picture;
}
