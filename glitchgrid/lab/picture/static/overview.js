// The whole run in one narrow strip: how much happens when, the faults, the findings, and the part that is shown.

const OVERVIEW_HEIGHT = 40;
const SLICES = 240;

class Overview {
  constructor(data, view, axis) {
    this.data = data;
    this.view = view;
    this.axis = axis;
    this.svg = shape("svg", { class: "overview", role: "img", "aria-label": "The whole run; drag to choose a part", preserveAspectRatio: "none", viewBox: `0 0 ${SLICES} ${OVERVIEW_HEIGHT}` });
    this.window = shape("rect", { class: "window", y: 0, height: OVERVIEW_HEIGHT });
    this.now = shape("line", { class: "now", y1: 0, y2: OVERVIEW_HEIGHT, "vector-effect": "non-scaling-stroke" });
    this.draw();
  }

  /** Anew, where the axis has changed. */
  draw() {
    this.svg.replaceChildren(...this._busy(), ...this._marks(), this.window, this.now);
  }

  x(ns) {
    return (this.axis.place(ns) / this.axis.length) * SLICES;
  }

  ns(pointer) {
    const box = this.svg.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (pointer.clientX - box.left) / box.width));
    return this.axis.time(share * this.axis.length);
  }

  render() {
    const { from, to, now } = this.view;
    this.window.setAttribute("x", this.x(from));
    this.window.setAttribute("width", Math.max(0.6, this.x(to) - this.x(from)));
    this.now.setAttribute("x1", this.x(now));
    this.now.setAttribute("x2", this.x(now));
  }

  _busy() {
    const counts = new Array(SLICES).fill(0);
    for (const message of this.data.messages) {
      counts[Math.min(SLICES - 1, Math.floor(this.x(message.sent_ns)))] += 1;
    }
    const most = Math.max(1, ...counts);
    const height = (count) => Math.sqrt(count / most) * (OVERVIEW_HEIGHT - 10);
    const bars = counts.map((count, place) =>
      shape("rect", { class: "busy", x: place, y: OVERVIEW_HEIGHT - height(count), width: 0.9, height: height(count) }),
    );
    const faults = this.data.faults.map((fault) =>
      shape("rect", { class: "fault", x: this.x(fault.begin_ns), y: 0, width: Math.max(0.5, this.x(fault.end_ns) - this.x(fault.begin_ns)), height: 5 }),
    );
    return [...bars, ...faults];
  }

  _marks() {
    return this.data.marks.map((mark) =>
      shape("line", { class: "mark", x1: this.x(mark.at_ns), x2: this.x(mark.at_ns), y1: 0, y2: OVERVIEW_HEIGHT, "vector-effect": "non-scaling-stroke" }),
    );
  }
}
