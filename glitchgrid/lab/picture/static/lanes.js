// Where each lane is: its top, its height, and the line on which its messages begin and end.

const LANE_SHAPES = {
  client: { height: 30, line: 15 },
  server: { height: 52, line: 40 },
  summary: { height: 66, line: 14, stairs: [10, 60] },
  keeper: { height: 104, line: 38, stairs: [50, 98] },
};
const AXIS_HEIGHT = 22;
const FLAG_HEIGHT = 18;
const RIBBON_HEIGHT = 13;
const RIBBON_ROWS = 2;

/** Lanes by their names, and the height of all. */
function layOut(lanes) {
  let top = AXIS_HEIGHT + FLAG_HEIGHT;
  const places = new Map();
  lanes.forEach((lane, number) => {
    const shape = LANE_SHAPES[lane.kind] ?? LANE_SHAPES.server;
    const stairs = shape.stairs?.map((y) => top + y);
    places.set(lane.name, { ...lane, number, top, height: shape.height, line: top + shape.line, stairs });
    top += shape.height;
  });
  return { places, height: top + 4 };
}

/** In which row of its lane each fault has its ribbon, so that two at one time are seen apart. */
function ribbonRows(faults) {
  const ends = new Map();
  return faults.map((fault) =>
    fault.lanes.map((lane) => {
      const rows = ends.get(lane) ?? new Array(RIBBON_ROWS).fill(-1);
      ends.set(lane, rows);
      const free = rows.findIndex((end) => end <= fault.begin_ns);
      const row = free < 0 ? RIBBON_ROWS - 1 : free;
      rows[row] = Math.max(rows[row], fault.end_ns);
      return row;
    }),
  );
}
