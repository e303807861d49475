/** Choosing files, seeing what would come of them, sending them, and following them into the table. */
import { preview, upload } from "./api.js";
import { isBusy, faultOf, rejectsLink } from "./files.js";
import {
  announce,
  button,
  byId,
  count,
  dataTable,
  element,
  guarded,
  pill,
  plural,
  problemCard,
  redraw,
  size,
  tiles,
  took,
  waiting,
} from "./dom.js";

const ROWS_SHOWN = 8;
/** What was chosen: `{ file, sent, share, status, problem }`, and its place in the list. */
let queue = [];
let shownItem;
let known = [];
let tableWasTyped = false;

export function knowTables(tables) {
  known = tables.map(({ table }) => table);
  byId("table-list").replaceChildren(...known.map((table) => element("option", { value: table })));
  suggestTable();
}

/** The table that the first file's name speaks of. It may be found only once the tables are known, after the file was chosen. */
function suggestTable() {
  const [first] = queue;
  if (!first || tableWasTyped || queue.some(({ sent }) => sent)) return;
  const suggested = tableOf(first.file.name);
  if (byId("table-name").value === suggested) return;
  byId("table-name").value = suggested;
  if (shownItem) look(shownItem);
}

/** sales_2024-01.csv → sales if there is such a table, else sales_2024_01. */
function tableOf(fileName) {
  const plain = fileName
    .replace(/\..*$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "");
  const fitting = known.filter((table) => plain === table || plain.startsWith(`${table}_`));
  return fitting.sort((a, b) => b.length - a.length)[0] ?? (plain || "data");
}

function choose(files) {
  if (files.length === 0) return;
  queue = [...files].map((file) => ({ file, row: element("li") }));
  shownItem = undefined;
  if (!byId("table-name").value) tableWasTyped = false;
  suggestTable();
  byId("queue-part").hidden = false;
  byId("queue-title").textContent = plural(queue.length, "file");
  byId("queue").replaceChildren(...queue.map(({ row }) => row));
  queue.forEach(draw);
  look(queue[0]);
}

function draw(item) {
  const { file, row, sent, share, status, problem } = item;
  byId("upload-all").hidden = queue.filter((each) => !each.sent).length < 2;
  redraw(
    row,
    element(
      "div",
      { class: "grow" },
      element("strong", {}, file.name),
      " ",
      element("span", { class: "hint" }, size(file.size)),
      sent && !status && !problem && progress(item),
      problem && problemCard(problem),
      status?.error && element("p", {}, faultOf(status.error)),
    ),
    status && element("span", { class: "row" }, outcome(status), pill(status.status)),
    queue.length > 1 &&
      button("Preview", () => look(item), {
        class: "quiet",
        "aria-label": `Preview ${file.name}`,
        "aria-pressed": String(item === shownItem),
      }),
    sent &&
      !status &&
      !problem &&
      button("Cancel", () => item.cancel(), { class: "quiet", "aria-label": `Cancel ${file.name}` }),
    (!sent || problem) && button("Upload", () => void send(item), { "aria-label": `Upload ${file.name}` }),
  );
}

function outcome({ fileId, status, table, rowsCommitted, rowsRejected, durations }) {
  if (status !== "committed")
    return element("span", { class: "hint" }, status === "received" ? "stored, waiting for its turn" : "");
  return element(
    "span",
    {},
    `${plural(rowsCommitted, "row")} in `,
    element("a", { href: `#tables/${table}` }, table),
    ` after ${took(durations.totalMs)}`,
    rowsRejected > 0 && [", ", rejectsLink({ fileId, table, rowsRejected }, " rejected")],
  );
}

const progress = ({ file, share = 0 }) => [
  element("progress", { max: "1", value: String(share), "aria-label": `Progress of ${file.name}` }),
  element("small", { class: "sent" }, progressText(share)),
];

const progressText = (share) => (share < 1 ? `${Math.floor(share * 100)} % sent` : "sent; being stored");

async function send(item) {
  const cancelled = new AbortController();
  const cancel = () => cancelled.abort();
  Object.assign(item, { sent: true, share: 0, problem: undefined, status: undefined, cancel });
  draw(item);
  announce(`${item.file.name}: uploading`);
  try {
    const onProgress = (share) => {
      item.share = share;
      const bar = item.row.querySelector("progress");
      if (!bar) return;
      bar.value = share;
      item.row.querySelector(".sent").textContent = progressText(share);
    };
    const table = byId("table-name").value.trim();
    const status = await upload(item.file, table, givenDialect(), onProgress, cancelled.signal);
    // What came live meanwhile is newer than the answer.
    item.status = item.moved?.fileId === status.fileId ? item.moved : status;
  } catch (problem) {
    item.problem = problem;
  }
  draw(item);
}

/** A file's state has changed: shown at the file that was chosen here, if it is one. */
export function fileMoved(status) {
  for (const item of queue) {
    if (!item.sent || item.file.name !== status.sourceFile) continue;
    if (item.status && item.status.fileId !== status.fileId) continue;
    if (item.status && !isBusy(item.status) && isBusy(status)) continue;
    item.moved = status;
    if (item.status) {
      if (item.status.status !== status.status && !isBusy(status)) announce(`${status.sourceFile}: ${status.status}`);
      item.status = status;
      draw(item);
    }
  }
}

/** Shows the file's preview. The list is drawn anew only for another file: a click under way must find its button. */
function look(item) {
  if (item !== shownItem) {
    shownItem = item;
    queue.forEach(draw);
  }
  void guarded(byId("preview"), () => showPreview(item));
}

/** How the files are written, where somebody knows better than detection. */
const givenDialect = () =>
  Object.fromEntries(
    ["delimiter", "encoding", "header"].map((name) => [name, byId(name).value]).filter(([, value]) => value !== ""),
  );

async function showPreview(item) {
  const { file } = item;
  const table = byId("table-name").value.trim();
  const place = byId("preview");
  place.replaceChildren(waiting(`looking at ${file.name} …`));
  const dialect = givenDialect();
  const seen = await preview(file, table, dialect).catch((problem) => {
    if (item === shownItem) throw problem;
  });
  // Another file or table was chosen meanwhile.
  if (!seen || item !== shownItem || table !== byId("table-name").value.trim()) return;
  const title = `Preview of ${file.name}`;
  redraw(
    place,
    element("h2", {}, title),
    seen.error && element("div", { class: "card pad problem", role: "alert" }, faultOf(seen.error)),
    tiles([
      [seen.complete ? "Rows" : `Rows in the first ${size(seen.textBytes)}`, count(seen.rowsRead)],
      ["Would load", count(seen.rowsAccepted), "good"],
      ["Would be rejected", count(seen.rowsRejected), seen.rowsRejected > 0 ? "bad" : null],
      ["Written as", dialectText(seen.dialect)],
      ["To table", known.includes(table) ? changeText(seen.diff) : `new: ${table}`],
    ]),
    element("h3", {}, "Columns"),
    columnTable(seen, known.includes(table)),
    element("h3", {}, "First rows"),
    dataTable(
      "First rows",
      seen.columns.map(({ name, type }) => ({ name, hint: type, numeric: isNumeric(type) })),
      seen.rows.slice(0, ROWS_SHOWN),
      "No row would load.",
      { wide: true },
    ),
    seen.rejects.length > 0 && [
      element("h3", {}, "Would be rejected"),
      rejectTable("Rows that would be rejected", seen.rejects),
    ],
  );
  announce(`${title}: ${plural(seen.rowsAccepted, "row")} would load, ${count(seen.rowsRejected)} would be rejected`);
}

const isNumeric = (type) => /^(INTEGER|BIGINT|DECIMAL|DOUBLE)/.test(type);

const DELIMITERS = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe" };

export const dialectText = (dialect) =>
  dialect
    ? `${DELIMITERS[dialect.delimiter] ?? dialect.delimiter}, ${dialect.encoding.toUpperCase()}${dialect.header ? "" : ", no header"}`
    : "no text";

function changeText({ added, widened, missing, conflicting }) {
  const parts = [
    [added, "new"],
    [widened, "widened"],
    [missing, "missing"],
    [conflicting, "in conflict"],
  ]
    .filter(([list]) => list.length > 0)
    .map(([list, what]) => `${list.length} ${what}`);
  return parts.length === 0 ? "fits as it is" : parts.join(", ");
}

/** The file's columns and what each would do to the table; then those of the table that the file lacks. */
function columnTable({ columns, diff }, exists) {
  const by = (list) => new Map(list.map((one) => [one.name, one]));
  const [added, widened, conflicting] = [by(diff.added), by(diff.widened), by(diff.conflicting)];
  const changeOf = (name) => {
    const conflict = conflicting.get(name);
    if (conflict)
      return element("span", {}, pill("conflict"), ` ${plural(conflict.rejects, "value")}: ${conflict.example}`);
    const wider = widened.get(name);
    if (wider) return element("span", {}, pill("widened"), ` ${wider.from} → ${wider.to}`);
    return added.has(name) ? pill("new", exists ? "busy" : "calm") : element("span", { class: "hint" }, "as it is");
  };
  return dataTable(
    "Columns of the file",
    ["Column", "Type", "In the file", { name: "Samples", wrap: true }, { name: "Change to the table", wrap: true }],
    [
      ...columns.map(({ name, type, header, samples }) => [
        element("strong", {}, name),
        element("code", {}, type),
        header,
        samples.map((sample) => sample ?? "NULL").join(" · "),
        changeOf(name),
      ]),
      ...diff.missing.map((name) => [
        element("strong", {}, name),
        "",
        element("span", { class: "hint" }, "not in this file"),
        "",
        element("span", { class: "hint" }, "NULL"),
      ]),
    ],
    "No columns.",
  );
}

/** Rejected rows; `fileOf` makes the cell that says of which file, where there are several. */
export const rejectTable = (label, rejects, fileOf) =>
  dataTable(
    label,
    [
      ...(fileOf ? ["File"] : []),
      { name: "Line", numeric: true },
      "Column",
      "Reason",
      { name: "What is wrong", wrap: true },
      { name: "Text of the row", wrap: true },
    ],
    rejects.map((reject) => [
      ...(fileOf ? [fileOf(reject)] : []),
      count(reject.line),
      reject.column ?? element("span", { class: "hint" }, "whole row"),
      pill(reject.reason, "bad"),
      reject.message,
      element("code", { class: "raw" }, reject.raw),
    ]),
  );

// Wiring

const chosenFile = () => shownItem && look(shownItem);
byId("picker").addEventListener("change", ({ target }) => {
  choose([...target.files]);
  target.value = ""; // the same file can be chosen again
});
byId("table-name").addEventListener("input", () => (tableWasTyped = true));
for (const name of ["table-name", "delimiter", "encoding", "header"]) byId(name).addEventListener("change", chosenFile);
byId("upload-all").addEventListener("click", async () => {
  for (const item of queue.filter(({ sent }) => !sent)) await send(item);
});
const drop = byId("drop");
drop.addEventListener("submit", (event) => {
  event.preventDefault();
  chosenFile();
});
for (const name of ["dragover", "dragleave", "drop"]) {
  // Anywhere on the page: a file dropped beside the field must not replace the page.
  addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name !== "drop" || event.dataTransfer.files.length === 0) return;
    location.hash = "#upload";
    choose([...event.dataTransfer.files]);
  });
}
