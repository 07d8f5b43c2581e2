// The trace beside the drawing. Only the lines that can be seen are in the page.

const LINE_HEIGHT = 20;
const LINES_AROUND = 15;

class Lines {
  constructor(data, choose) {
    this.lines = data.trace;
    this.current = -1;
    this.element = document.createElement("div");
    this.element.className = "lines";
    this.element.setAttribute("role", "listbox");
    this.element.setAttribute("aria-label", "Trace");
    this.element.tabIndex = 0;
    this.sheet = document.createElement("div");
    this.sheet.style.height = `${this.lines.length * LINE_HEIGHT}px`;
    this.element.append(this.sheet);
    this.element.addEventListener("scroll", () => this.render());
    new ResizeObserver(() => this.render()).observe(this.element);
    this.element.addEventListener("click", (event) => {
      const line = event.target.closest(".line");
      if (line) choose(Number(line.dataset.line));
    });
  }

  /** The last line that is no later than `ns`, or -1. */
  at(ns) {
    return firstAfter(this.lines, ns, ([at]) => at) - 1;
  }

  /** Nothing is asked of the element where nothing is another: the browser would lay out the whole page to answer. */
  show(current) {
    if (current === this.current) return;
    this.current = current;
    const top = Math.max(0, current) * LINE_HEIGHT;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop || top > scrollTop + clientHeight - 2 * LINE_HEIGHT) {
      this.element.scrollTop = Math.max(0, top - clientHeight / 2);
    }
    this.render();
  }

  render() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / LINE_HEIGHT) - LINES_AROUND);
    const count = Math.ceil((this.element.clientHeight || 300) / LINE_HEIGHT) + 2 * LINES_AROUND;
    const shown = this.lines.slice(first, first + count).map((line, place) => this._line(line, first + place));
    this.sheet.replaceChildren(...shown);
  }

  _line([at, lane, text, gloss], number) {
    const line = document.createElement("div");
    line.setAttribute("role", "option");
    line.className = number > this.current ? "line later" : number === this.current ? "line current" : "line";
    line.setAttribute("aria-selected", String(number === this.current));
    line.dataset.line = number;
    line.style.top = `${number * LINE_HEIGHT}px`;
    const meaning = document.createElement("b");
    meaning.textContent = gloss ? `${gloss} ` : "";
    line.append(`${timeText(at)} ${lane} `, meaning, text);
    line.title = line.textContent;
    return line;
  }
}
