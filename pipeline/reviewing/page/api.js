// The server's answers, and an outbox: an answer is on the screen at once and sent when it can be.

import { byId, el, button } from "./dom.js";

export class Refused extends Error {
  constructor(status, body) {
    super(body.message ?? `the server answered ${status}`);
    Object.assign(this, { status, body, code: body.error });
  }
}

async function ask(path, options = {}) {
  const found = await fetch(path, { credentials: "same-origin", ...options })
    .catch(() => { throw new Error("The server does not answer. Is gemel review still running?"); });
  const body = await found.json().catch(() => ({}));
  if (!found.ok) throw new Refused(found.status, body);
  return body;
}

export function get(path, values = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined && one !== false) query.append(name, one);
    }
  }
  const asked = query.toString();
  return ask(asked ? `${path}?${asked}` : path);
}

export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// --- notices ---

export function notice(words, { kind = "warn", actions = [], key = words } = {}) {
  dismiss(key);
  const box = el("div", { class: `notice ${kind}`, data: { key } }, el("p", {}, words));
  for (const [label, act] of actions) {
    box.append(button(label, () => { box.remove(); act(); }));
  }
  box.append(button("Close", () => box.remove(), { kind: "plain" }));
  byId("notices").append(box);
  return box;
}

export function dismiss(key) {
  for (const box of byId("notices").children) if (box.dataset.key === key) box.remove();
}

// --- the outbox ---

const KEPT = "gemel-outbox";
const DOWN = "down";

export class Outbox {
  // `done(sent, answer)` and `refused(sent, error)` are called in the order of the answers.
  constructor(done, refused) {
    this.done = done;
    this.refused = refused;
    this.waiting = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    this.sending = false;
    this.send();
  }

  add(path, body) {
    this.waiting.push({ path, body });
    this.keep();
    this.send();
  }

  // Resolves when nothing waits any more: what comes next would be about answers not yet there.
  async empty() {
    while (this.waiting.length) await new Promise((later) => setTimeout(later, 20));
  }

  keep() {
    sessionStorage.setItem(KEPT, JSON.stringify(this.waiting));
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.length) {
      const first = this.waiting[0];
      try {
        const answer = await post(first.path, first.body);
        this.waiting.shift();
        this.keep();
        dismiss(DOWN);
        this.done(first, answer);
      } catch (error) {
        if (error instanceof Refused && error.status < 500 && error.status !== 401) {
          this.waiting.shift();
          this.keep();
          this.refused(first, error);
          continue;
        }
        const why = error.status === 401 ? "The server was started anew: open the link that it printed." :
          error instanceof Refused ? error.message : "The server does not answer.";
        notice(`${why} ${this.waiting.length} ` +
          `${this.waiting.length === 1 ? "answer waits" : "answers wait"} here and will be sent; nothing is lost.`,
          { kind: "bad", key: DOWN });
        await new Promise((later) => setTimeout(later, 1500));
      }
    }
    this.sending = false;
  }
}
