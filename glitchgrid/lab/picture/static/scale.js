// Time as text, and where to put the ticks. Times are nanoseconds since the beginning of the run.

const NS_PER_S = 1e9;
const SPAN_NS_MIN = 1000;

/** A round step, so that about `count` of them make up `span`. */
function roundStep(span, count) {
  const least = span / count;
  const power = 10 ** Math.floor(Math.log10(least));
  return Math.max(1, power * [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999));
}

/** A time, with as many digits as tell two from each other that are `step` apart. */
function timeText(ns, step = 1000) {
  const digits = Math.min(9, Math.max(0, 9 - Math.floor(Math.log10(step) + 1e-9)));
  return `${(ns / NS_PER_S).toFixed(digits)} s`;
}

/** How long something takes, in the unit that suits it. */
function spanText(ns) {
  const [size, unit] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]].find(([each]) => ns >= each) ?? [1, "ns"];
  return `${Number((ns / size).toPrecision(3))} ${unit}`;
}

/** The place of the first of `sorted` that is later than `ns`, by `timeOf`. */
function firstAfter(sorted, ns, timeOf) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeOf(sorted[middle]) <= ns) low = middle + 1;
    else high = middle;
  }
  return low;
}
