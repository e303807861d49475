/** Elements from data. Text is always set as text: nothing of a file's content is ever read as markup. */

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const isNumber = (value) => typeof value === "number" || (typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value));

export function cell(value) {
  if (value === null || value === undefined) return element("td", {}, element("span", { class: "null" }, "NULL"));
  return element("td", { class: isNumber(value) ? "n" : null }, typeof value === "object" ? JSON.stringify(value) : String(value));
}

export const dataTable = (label, columns, rows) =>
  element("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": label },
    element("table", {},
      element("thead", {}, element("tr", {}, columns.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map((value) => (value instanceof Node ? element("td", {}, value) : cell(value))))))));

export const problemCard = (problem) =>
  element("div", { class: "card problem", role: "alert" },
    element("strong", {}, problem.code ? `${problem.code}: ` : ""), problem.message,
    problem.remedy ? element("p", { class: "hint" }, `→ ${problem.remedy}`) : null);

export const state = (text) => element("span", { class: `state ${text}` }, text);

export const ago = (iso) => {
  if (!iso) return "–";
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return new Date(iso).toLocaleString();
};

export const took = (ms) => (ms === null || ms === undefined ? "–" : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
