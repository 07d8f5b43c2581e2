// What is too much for elements of their own: lanes, faults, messages and operations on a canvas below the drawing.
// It says what is where, as elements would by themselves.

const DENSE_FROM = 2000;
const NEAR_PX = 5;
const CROWD = 600;
const COLOURS = ["ground", "stripe", "fault-body", "message", "lost", "write", "read", "refused", "unclear", "failed", "violation", "ink", "quiet"];
const OPERATION_COLOURS = { write: "write", read: "read", decreases: "refused", ambiguous: "unclear", failed: "failed", open: "failed" };

class Dense {
  constructor(chart) {
    this.chart = chart;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "dense";
    this.canvas.hidden = true;
    this.placed = [];
  }

  /** Draw what the chart sees; each thing comes with the box that it has. */
  render() {
    const { width, lanes } = this.chart;
    const scale = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(lanes.height * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${lanes.height}px`;
    const style = getComputedStyle(this.canvas);
    this.colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(scale, scale);
    this.pen.font = "600 11px system-ui, sans-serif";
    this.placed = [];
    this._lanes();
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(this.chart.gutter, 0, width - this.chart.gutter, lanes.height);
    this.pen.clip();
    this._faultBodies();
    this._messages();
    this._ribbons();
    this._operations();
    this.pen.restore();
  }

  /** What is at a place of the drawing: the last that was drawn there. */
  at(x, y) {
    for (let place = this.placed.length - 1; place >= 0; place -= 1) {
      const each = this.placed[place];
      if (each.line ? isNear(each.line, x, y) : x >= each.x && x <= each.x + each.width && y >= each.y && y <= each.y + each.height) {
        return { kind: each.kind, index: each.index };
      }
    }
    return null;
  }

  _lanes() {
    for (const lane of this.chart.lanes.places.values()) {
      this.pen.fillStyle = this.colours[lane.number % 2 ? "stripe" : "ground"];
      this.pen.fillRect(0, lane.top, this.chart.width, lane.height);
    }
  }

  _faultBodies() {
    const { chart, pen } = this;
    pen.fillStyle = this.colours["fault-body"];
    chart._eachRibbon((fault, _index, lane) => {
      const { x, width } = chart._box(fault.begin_ns, fault.end_ns);
      pen.fillRect(x, lane.top, width, lane.height);
    });
  }

  _ribbons() {
    const { chart, pen } = this;
    chart._eachRibbon((fault, index, lane, row) => {
      const { x, width } = chart._box(fault.begin_ns, fault.end_ns, 3);
      const y = lane.top + row * RIBBON_HEIGHT;
      pen.globalAlpha = fault.was_idle ? 0.35 : 0.95;
      pen.fillStyle = colourOf(fault.kind);
      pen.fillRect(x, y, width, RIBBON_HEIGHT - 1);
      pen.globalAlpha = 1;
      if (width > fault.kind.length * CHARACTER_PX) this._text(fault.kind, Math.max(x, chart.gutter) + 4, y + 10, "#1b2027");
      this._place("faults", index, x, y, width, RIBBON_HEIGHT - 1);
    });
  }

  _messages() {
    const { chart, pen } = this;
    const seen = chart.data.messages.filter((message) => chart._seesMessage(message)).length;
    for (const lost of [false, true]) {
      pen.beginPath();
      pen.strokeStyle = this.colours[lost ? "lost" : "message"];
      pen.lineWidth = 1;
      pen.globalAlpha = Math.max(0.12, Math.min(0.7, CROWD / (seen || 1)));
      chart.data.messages.forEach((message, index) => {
        if ((message.arrived_ns === null) !== lost || !chart._seesMessage(message)) return;
        const line = chart._line(message);
        pen.moveTo(line.x1, line.y1);
        pen.lineTo(line.x2, line.y2);
        this.placed.push({ kind: "messages", index, line });
      });
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  _operations() {
    const { chart, pen } = this;
    const { chosen } = chart.view;
    chart.data.operations.forEach((operation, index) => {
      const until = operation.returned_ns ?? chart.data.duration_ns;
      if (!chart._sees(operation.called_ns, until)) return;
      const lane = chart.lanes.places.get(operation.lane);
      const { x, width } = chart._box(operation.called_ns, until, 3);
      const [y, height] = [lane.top + 4, lane.height - 8];
      pen.fillStyle = this.colours[OPERATION_COLOURS[operation.outcome === "ok" ? operation.kind : operation.outcome]];
      pen.fillRect(x, y, width, height);
      const isChosen = chosen && chosen.kind === "operations" && chosen.index === index;
      if (operation.is_wrong || isChosen) {
        pen.strokeStyle = this.colours[operation.is_wrong ? "violation" : "ink"];
        pen.lineWidth = 2.5;
        pen.strokeRect(x, y, width, height);
      }
      if (width > operation.text.length * CHARACTER_PX + 8) {
        this._text(operation.text, Math.max(x, chart.gutter) + 4, lane.line + 4, this.colours.ground);
      }
      this._place("operations", index, x, y, width, height);
    });
  }

  _text(text, x, y, colour) {
    this.pen.fillStyle = colour;
    this.pen.fillText(text, x, y);
  }

  _place(kind, index, x, y, width, height) {
    this.placed.push({ kind, index, x, y, width, height });
  }
}

/** Is a point within a few pixels of a line? */
function isNear({ x1, y1, x2, y2 }, x, y) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const share = Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x1 + share * dx - x, y1 + share * dy - y) < NEAR_PX;
}
