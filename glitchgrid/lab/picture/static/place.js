// A place in a run as the end of an address: #t=1.25 is a moment in seconds, #t=1.2,1.4 a part of the run, and
// #finding=2 the second finding.

/** @returns {{finding: number} | {from: number, to: number} | {at: number} | null} times in nanoseconds */
function placeOf(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const finding = Number(parameters.get("finding"));
  if (Number.isInteger(finding) && finding > 0) return { finding: finding - 1 };
  const times = (parameters.get("t") ?? "").split(",").map((part) => (part === "" ? NaN : Number(part) * NS_PER_S));
  const [from, to] = times;
  if (times.length === 1) return from >= 0 ? { at: from } : null;
  return times.length === 2 && from >= 0 && to > from ? { from, to } : null;
}

function hashOf(ns) {
  return `#t=${Number((ns / NS_PER_S).toFixed(9))}`;
}
