// The latest write: which vaults have it, when the client was answered, and who came late.

import { $, CLIENTS, dialogueOf, element } from "./page.js";

const WRITES_MAX = 1000;
const HOW = { asked: "asked", in: "has it", late: "has it, late", refused: "does not take it" };

export class Round {
  /** `isVault(name)`: is this server one? */
  constructor(isVault) {
    this.isVault = isVault;
    this.value = null;
    this.acks = new Map();
    this.answer = "";
    this.writes = new Map(); // the clients' writes that were not answered yet: which value each has
  }

  sent(message) {
    const { source, target, text } = message;
    if (!text.startsWith("POST ")) return;
    const value = text.slice("POST ".length);
    if (source === CLIENTS) {
      if (this.writes.size >= WRITES_MAX) this.writes.clear();
      this.writes.set(dialogueOf(message), value);
    } else if (this.isVault(target)) {
      if (value !== this.value) Object.assign(this, { value, acks: new Map(), answer: "" });
      const how = this.acks.get(target)?.how ?? "asked"; // it may be asked once more
      this.acks.set(target, { how, dialogue: dialogueOf(message) });
    }
  }

  arrived(message) {
    const { source, target, text } = message;
    const dialogue = dialogueOf(message);
    if (target === CLIENTS) {
      const value = this.writes.get(dialogue);
      this.writes.delete(dialogue);
      if (value !== undefined && value === this.value && !this.answer) this.answer = text;
      return;
    }
    const ack = this.acks.get(source);
    if (ack?.how !== "asked" || ack.dialogue !== dialogue) return;
    ack.how = !text.startsWith("200 ") ? "refused" : this.answer ? "late" : "in";
  }

  /** A bar with a part for each vault that was asked. It is solid once the client is answered. */
  show() {
    if (this.value === null) return;
    const bar = element("span", this.answer ? "acks solid" : "acks", "");
    for (const [name, { how }] of this.acks) bar.append(element("span", `ack ${how}`, `${name} ${HOW[how]}`));
    const parts = [element("span", "", `write ${this.value}:`), bar];
    if (this.answer) parts.push(element("span", "answered", `the client is answered ${this.answer}`));
    $("round").replaceChildren(...parts);
  }
}
