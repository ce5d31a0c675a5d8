// Elements from data. Text is only ever text: nothing here makes markup of it.

export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (value === false && !name.startsWith("aria-")) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else made.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function svg(tag, props = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, String(value));
  made.append(...children.flat());
  return made;
}

export const byId = (id) => document.getElementById(id);

export const share = (value) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;

export const count = (value) => (value ?? 0).toLocaleString("en");

// The judge's words without the signs that set its spans and columns apart on the terminal.
export const plain = (words) => (words ?? "").replaceAll("`", "").replace(/\*([^*]+)\*/g, "$1");

export const when = (moment) => {
  const at = new Date(moment);
  return Number.isNaN(at.getTime()) ? "" :
    at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
};

// For a screen reader: said once, seen by nobody.
export function say(words) {
  byId("said").textContent = words;
}

export function button(words, act, { key = "", kind = "", ...props } = {}) {
  return el("button", { type: "button", class: kind, onclick: act, ...props },
    key ? el("kbd", {}, key) : null, words);
}

export const id = (name) => el("bdi", {}, el("code", {}, name));
