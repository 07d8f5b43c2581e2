// Scenes for a talk. A step is what is said, what is done, and how long people have to look at it.

const kill = (name) => ({ verb: "kill", name });
const start = (name) => ({ verb: "start", name });
const namesOf = (members, kind) => members.filter((each) => each.kind === kind).map((each) => each.name);
const are = (names) => `${names.join(" and ")} ${names.length === 1 ? "is" : "are"}`;

/** The last of the vaults: so many that a majority is left, and `more`. */
function lost(members, more) {
  const vaults = namesOf(members, "vault");
  return vaults.slice(vaults.length - Math.floor((vaults.length - 1) / 2) - more);
}

function loseSome(members) {
  const [some, all] = [lost(members, 0), namesOf(members, "vault").length];
  if (!some.length) return [["No vault can be lost here: a majority of so few is all of them.", [], 3000]];
  return [
    [`${are(some)} killed. ${all - some.length} of ${all} vaults are a majority: writes go on.`, [{ verb: "load", per_s: 4 }, ...some.map(kill)], 5000],
    ["They are started again, with what they had on their disks, and catch up.", some.map(start), 3000],
  ];
}

function loseTooMany(members) {
  const [many, all] = [lost(members, 1), namesOf(members, "vault").length];
  return [
    [`${are(many)} killed. ${all - many.length} of ${all} vaults are no majority: the grid answers 500, rather than guess.`, [{ verb: "load", per_s: 4 }, ...many.map(kill)], 6000],
    ["They are started again. Nothing that was acknowledged is lost.", many.map(start), 3000],
  ];
}

function failSync(members) {
  const [name] = namesOf(members, "vault");
  return [
    [`The disk of ${name} fails its next sync. The vault says so, and takes no store any more.`, [{ verb: "disk", name, ill: "failing" }, { verb: "load", per_s: 4 }], 7000],
    ["With another disk it is started again.", [{ verb: "disk", name, ill: "" }], 3000],
  ];
}

function goBack(members) {
  const everyone = members.map((each) => each.name);
  return [
    ["A bug is switched on: vaults that start remember nothing.", [{ verb: "glitch", name: "forget-on-restart" }], 4000],
    ["Clients write and read.", [{ verb: "load", per_s: 20 }], 4000],
    ["All servers are killed at once.", [{ verb: "load", per_s: 0 }, ...everyone.map(kill)], 1500],
    ["They are started again. What was acknowledged is gone.", everyone.map(start), 4000],
    ["One read is enough for the checker to see it.", [{ verb: "read" }], 2000],
  ];
}

export const SCENES = [
  { title: "Lose some", steps: loseSome },
  { title: "Lose too many", steps: loseTooMany },
  { title: "A failed fsync", steps: failSync },
  { title: "The register goes back", steps: goBack },
];
