// How kinds of faults are told apart: a colour for each, and a pattern for what it is done to.

const PATTERNS = [
  ["dots", /disk|sync|write|read|full|store by hand/],
  ["stripes", /cut|jam|slow|clog|partition|reset|name|loss|link|outage|blackout|stranger/],
];

/** The same in every run, whatever else happens in it. */
function hueOf(kind) {
  let hash = 7;
  for (const letter of kind) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return hash;
}

function colourOf(kind) {
  return `hsl(${hueOf(kind)} 52% 62%)`;
}

/** "dots" for disks, "stripes" for the network; plain for processes, clocks and what is left. */
function patternOf(kind) {
  return PATTERNS.find(([, words]) => words.test(kind))?.[0] ?? "";
}

/** The kinds of a run's faults, and how many of each there are. */
function kindsOf(faults) {
  const counts = new Map();
  for (const { kind } of faults) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
}
