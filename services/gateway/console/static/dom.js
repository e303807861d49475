/** DOM helpers. Content is always set as text, so that nothing from a file is ever parsed as markup. */

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Announces the text to screen readers. */
export const announce = (text) => (byId("announce").textContent = text);

/**
 * Replaces the children of `place`. Keeps focus, open <details> and scroll positions of elements that have
 * the same `data-key` before and after.
 */
export function redraw(place, ...children) {
  const keyOf = (node) =>
    node?.dataset.key === undefined ? undefined : `[data-key="${CSS.escape(node.dataset.key)}"]`;
  const focused = place.contains(document.activeElement) ? keyOf(document.activeElement) : undefined;
  const open = [...place.querySelectorAll("details[open][data-key]")].map(keyOf);
  const scrolled = [...place.querySelectorAll(".scroll[data-key]")].map((node) => [
    keyOf(node),
    node.scrollLeft,
    node.scrollTop,
  ]);
  place.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const selector of open) place.querySelector(selector)?.setAttribute("open", "");
  for (const [selector, left, top] of scrolled) place.querySelector(selector)?.scrollTo(left, top);
  if (focused) place.querySelector(focused)?.focus({ preventScroll: true });
}

/** Runs `work`; shows an error in `place` with its remedy. */
export async function guarded(place, work) {
  try {
    await work();
  } catch (problem) {
    place.replaceChildren(problemCard(problem));
  }
}

export const button = (label, onClick, attributes = {}) =>
  element("button", { type: "button", "data-key": `button ${label}`, on: { click: onClick }, ...attributes }, label);

const NULL = () => element("span", { class: "null" }, "NULL");

/** A value of a row: text, number or NULL. */
export const shown = (value) =>
  value === null || value === undefined ? NULL() : typeof value === "object" ? JSON.stringify(value) : String(value);

/** Makes cards that scroll focusable, so that the keyboard can scroll them; others are not tab stops. */
const overflowing = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});

/**
 * A table in a card that scrolls. Columns are `{ name, numeric, wrap, hint }` or names; cells are nodes or
 * values. On a narrow screen each row becomes a list of its cells, unless `wide` is set (for data, whose
 * columns must align).
 */
export function dataTable(label, columns, rows, empty = "nothing yet", { wide = false } = {}) {
  const about = columns.map((column) => (typeof column === "string" ? { name: column } : column));
  if (rows.length === 0) return element("p", { class: "card pad hint" }, empty);
  const classOf = ({ numeric, wrap }) => (numeric ? "n" : wrap ? "wrap" : null);
  // The list layout (display: block) removes the table semantics for screen readers; the roles restore them.
  const head = about.map((column) =>
    element(
      "th",
      { scope: "col", role: "columnheader", class: classOf(column) },
      column.name || element("span", { class: "unseen" }, "more"),
      column.hint && element("small", {}, column.hint),
    ),
  );
  const body = rows.map((row) =>
    element(
      "tr",
      { role: "row" },
      row.map((value, at) =>
        element(
          "td",
          { role: "cell", class: classOf(about[at] ?? {}), "data-label": about[at]?.name },
          value instanceof Node ? value : shown(value),
        ),
      ),
    ),
  );
  const card = element(
    "div",
    { class: `card scroll${wide ? "" : " stack"}`, role: "group", "aria-label": label, "data-key": `region ${label}` },
    element(
      "table",
      { role: "table", "aria-label": label },
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)),
      element("tbody", { role: "rowgroup" }, body),
    ),
  );
  overflowing.observe(card);
  return card;
}

/** A message. One of several lines keeps its columns, since a caret may point at a place in the line above. */
export function messageText(text) {
  if (!text?.includes("\n")) return text;
  const lines = element("code", { class: "lines" }, text);
  overflowing.observe(lines);
  return lines;
}

export const problemCard = (problem) =>
  element(
    "div",
    { class: "card pad problem", role: "alert" },
    element("p", {}, element("strong", {}, problem.code || "Failed"), " ", messageText(problem.message)),
    problem.remedy && element("p", { class: "hint" }, problem.remedy),
  );

/** A list of names and values; entries without a value are omitted. */
export const pairs = (entries) =>
  element(
    "dl",
    { class: "pairs" },
    entries
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
  );

export const waiting = (text) => element("p", { class: "hint waiting" }, text);

const TONES = new Map(Object.entries({
  committed: "good",
  passed: "good",
  completed: "good",
  loads: "good",
  failed: "bad",
  rejected: "bad",
  error: "bad",
  conflict: "bad",
  blocked: "bad",
  held: "bad",
  received: "busy",
  parsing: "busy",
  parsed: "busy",
  new: "busy",
  widened: "busy",
}));

/** A status as a pill. The text carries the meaning; the colour only supports it. */
export const pill = (text, tone = TONES.get(text) ?? "calm") => element("span", { class: `pill ${tone}` }, text);

/** A file's state. A file that left rows behind does not look like a clean one. */
export const filePill = ({ status, rowsRejected }) =>
  status === "committed" && rowsRejected > 0 ? pill("committed, with rejects", "busy") : pill(status);

export const tiles = (entries) =>
  element(
    "dl",
    { class: "tiles" },
    entries.map(([name, value, tone]) =>
      element("div", { class: tone ?? null }, element("dt", {}, name), element("dd", {}, value)),
    ),
  );

const whole = new Intl.NumberFormat("en");
export const count = (value) => (value === null || value === undefined ? "–" : whole.format(value));
export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/**
 * Milliseconds since the epoch of a time from the gateway or a query, or NaN. A time without a zone is UTC.
 */
const timeOf = (text) => {
  const iso = text
    .trim()
    .replace(" UTC", "Z")
    .replace(/^(\d{4}-\d\d-\d\d) /, "$1T")
    .replace(/(\.\d{3})\d+/, "$1");
  return Date.parse(/([zZ]|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
};

/** The time as a relative age, with the exact local time on hover. */
export function ago(text) {
  const ms = text ? timeOf(text) : NaN;
  if (Number.isNaN(ms)) return "–";
  return element("time", { datetime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString() }, agoText(ms));
}

function agoText(ms) {
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(ms).toISOString().slice(0, 10);
}

/** Updates the relative ages on the page. */
export const refreshTimes = () => {
  for (const time of document.querySelectorAll("main time")) time.textContent = agoText(Date.parse(time.dateTime));
};

export const took = (ms) =>
  ms === null || ms === undefined ? "–" : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
