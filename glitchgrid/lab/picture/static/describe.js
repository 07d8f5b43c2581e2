// What is said of a thing when it is pointed at or chosen.

const OUTCOMES = {
  ok: "answered",
  decreases: "refused: it would decrease",
  ambiguous: "ambiguous: it may have happened, or may happen yet",
  failed: "failed",
  open: "never answered",
};

/** @returns {{title: string, rows: string[]}} */
function describe(data, kind, index) {
  const thing = data[kind][index];
  switch (kind) {
    case "operations": {
      const until = thing.returned_ns === null ? "no answer" : `until ${timeText(thing.returned_ns)}`;
      const took = thing.returned_ns === null ? "" : ` (${spanText(thing.returned_ns - thing.called_ns)})`;
      return { title: `${thing.lane}: ${thing.text}`, rows: [OUTCOMES[thing.outcome], `from ${timeText(thing.called_ns)} ${until}${took}`, thing.detail] };
    }
    case "messages": {
      const arrived =
        thing.arrived_ns === null ? "it never arrives" : `takes ${spanText(thing.arrived_ns - thing.sent_ns)}`;
      return { title: `${thing.source} → ${thing.target}: ${thing.text}`, rows: [`sent at ${timeText(thing.sent_ns)}, ${arrived}`, thing.detail] };
    }
    case "faults":
      return { title: `fault: ${thing.kind}`, rows: [thing.text, `from ${timeText(thing.begin_ns)}, for ${spanText(thing.end_ns - thing.begin_ns)}`, thing.was_idle ? "it found nothing to do" : ""] };
    case "marks":
      return { title: `${thing.oracle} at ${timeText(thing.at_ns)}`, rows: [thing.text] };
    default:
      return { title: "", rows: [] };
  }
}

/** Put a description into an element: as text, whatever it says. */
function tell(element, { title, rows }) {
  const head = document.createElement("b");
  head.textContent = title;
  const rest = rows.filter(Boolean).map((row) => {
    const line = document.createElement("div");
    line.textContent = row;
    return line;
  });
  element.replaceChildren(head, ...rest);
}
