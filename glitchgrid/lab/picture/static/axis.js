// The time axis. Where nothing happens for long it is folded: such a rest takes as little room as a short one.
//
// A place on the axis is a number that grows with time: `place(ns)`, and back, `time(place)`. Without folds it is the
// time itself.

const REST_SHARE = 0.05;
const REST_NS_MIN = 50e6;
const FOLD_SHARE = 0.02;

class Axis {
  constructor(data) {
    this.duration_ns = data.duration_ns;
    this.rests = restsOf(data);
    this.folds(false);
  }

  /** Whether rests are folded. */
  folds(are) {
    this.are_folded = are && this.rests.length > 0;
    const rests = this.are_folded ? this.rests : [];
    const busy = this.duration_ns - rests.reduce((sum, [from, to]) => sum + to - from, 0);
    const fold = busy * FOLD_SHARE;
    // Knots: a time and its place, between which the axis is straight.
    this.knots = [[0, 0]];
    for (const [from, to] of rests) {
      const [at, place] = this.knots[this.knots.length - 1];
      this.knots.push([from, place + from - at]);
      this.knots.push([to, place + from - at + Math.min(fold, to - from)]);
    }
    const [at, place] = this.knots[this.knots.length - 1];
    this.knots.push([this.duration_ns, place + this.duration_ns - at]);
    this.length = this.knots[this.knots.length - 1][1];
  }

  place(ns) {
    return this._between(ns, 0, 1);
  }

  time(place) {
    return this._between(place, 1, 0);
  }

  /** The folds that are seen between two times. */
  foldsBetween(from, to) {
    return this.are_folded ? this.rests.filter(([begin, end]) => begin < to && end > from) : [];
  }

  /** The parts between two times that are not folded. */
  straightBetween(from, to) {
    const parts = [];
    let at = from;
    for (const [begin, end] of this.foldsBetween(from, to)) {
      if (begin > at) parts.push([at, begin]);
      at = end;
    }
    if (at < to) parts.push([at, to]);
    return parts;
  }

  _between(value, from, to) {
    const { knots } = this;
    const after = Math.min(Math.max(1, firstAfter(knots, value, (knot) => knot[from])), knots.length - 1);
    const [before, next] = [knots[after - 1], knots[after]];
    const share = (value - before[from]) / (next[from] - before[from] || 1);
    return before[to] + share * (next[to] - before[to]);
  }
}

/** Times between which nothing begins, ends, is sent or arrives for long. */
function restsOf(data) {
  const times = [0, data.duration_ns];
  for (const each of data.messages) times.push(each.sent_ns, each.arrived_ns ?? each.lost_ns);
  for (const each of data.operations) times.push(each.called_ns, each.returned_ns ?? each.called_ns);
  for (const each of data.faults) times.push(each.begin_ns, each.end_ns);
  for (const each of data.lives) times.push(each.from_ns, each.to_ns ?? each.from_ns);
  for (const each of data.stairs) times.push(...each.steps.map(([at]) => at));
  for (const each of data.marks) times.push(each.at_ns);
  const sorted = times.filter((at) => at >= 0 && at <= data.duration_ns).sort((one, other) => one - other);
  const least = Math.max(REST_NS_MIN, data.duration_ns * REST_SHARE);
  const rests = [];
  for (let place = 1; place < sorted.length; place += 1) {
    const [from, to] = [sorted[place - 1], sorted[place]];
    const margin = (to - from) * FOLD_SHARE;
    if (to - from > least) rests.push([from + margin, to - margin]);
  }
  return rests;
}
