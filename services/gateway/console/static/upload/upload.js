/** The upload view: choose files, preview them, upload them, and follow their status until the commit. */
import { preview, upload } from "../api.js";
import { dialectText, SETTINGS } from "./dialect.js";
import { isBusy, faultOf, rejectsLink } from "../files.js";
import {
  announce,
  button,
  byId,
  count,
  dataTable,
  element,
  filePill,
  guarded,
  pill,
  plural,
  problemCard,
  redraw,
  size,
  tiles,
  took,
  waiting,
} from "../dom.js";
import { settingInputs } from "./setting-inputs.js";

const ROWS_SHOWN = 8;
/** The chosen files: `{ file, sent, share, status, problem }` and `row`, the list item that shows them. */
let queue = [];
let shownItem;
let known = [];
/** The tables of `known` that have columns; a declared one may have none yet. */
let existing = new Set();
let tableWasTyped = false;

export function knowTables(tables) {
  known = tables.map(({ table }) => table);
  existing = new Set(tables.filter(({ exists }) => exists).map(({ table }) => table));
  byId("table-list").replaceChildren(...known.map((table) => element("option", { value: table })));
  suggestTable();
}

/**
 * Suggests a table from the first file's name. Runs again when the list of tables arrives after the choice.
 */
function suggestTable() {
  const [first] = queue;
  if (!first || tableWasTyped || queue.some(({ sent }) => sent)) return;
  // Several files go to a table each: an empty field says so.
  const suggested = queue.length === 1 ? tableOf(first.file.name) : "";
  if (queue.length > 1) queue.forEach(draw);
  if (byId("table-name").value === suggested) return;
  byId("table-name").value = suggested;
  if (shownItem) select(shownItem);
}

/** sales_2024-01.csv → sales if there is such a table, else sales_2024_01. */
function tableOf(fileName) {
  const plain = fileName
    .replace(/\..*$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "");
  const matching = known.filter((table) => plain === table || plain.startsWith(`${table}_`));
  return matching.sort((a, b) => b.length - a.length)[0] ?? (plain || "data");
}

/** The file's own table, or the one that the user has typed for all. */
const targetOf = ({ file }) => byId("table-name").value.trim() || tableOf(file.name);

function remove(item) {
  queue = queue.filter((each) => each !== item);
  item.row.remove();
  byId("queue-title").textContent = plural(queue.length, "file");
  byId("queue-part").hidden = queue.length === 0;
  if (queue.length === 0) byId("preview").replaceChildren();
  else if (item === shownItem) select(queue[0]);
  queue.forEach(draw);
  announce(`${item.file.name}: removed from the list`);
}

function choose(files) {
  if (files.length === 0) return;
  queue = [...files].map((file) => ({ file, row: element("li") }));
  shownItem = undefined;
  if (!byId("table-name").value || !tableWasTyped) {
    tableWasTyped = false;
    byId("table-name").value = "";
  }
  suggestTable();
  byId("queue-part").hidden = false;
  byId("queue-title").textContent = plural(queue.length, "file");
  byId("queue").replaceChildren(...queue.map(({ row }) => row));
  queue.forEach(draw);
  select(queue[0]);
}

function draw(item) {
  const { file, row, sent, status, problem, added } = item;
  byId("upload-all").hidden = queue.filter((each) => !each.sent).length < 2;
  redraw(
    row,
    element(
      "div",
      { class: "grow" },
      element("strong", {}, file.name),
      " ",
      element("span", { class: "hint" }, `${size(file.size)} → ${status?.table ?? targetOf(item)}`),
      added && question(item),
      sent && !status && !problem && progress(item),
      problem && problemCard(problem),
      status?.error && element("p", {}, faultOf(status.error)),
    ),
    status && element("span", { class: "row" }, outcome(status), filePill(status)),
    queue.length > 1 &&
      button("Preview", () => select(item), {
        class: "quiet",
        "aria-label": `Preview ${file.name}`,
        "aria-pressed": String(item === shownItem),
      }),
    sent &&
      !status &&
      !problem &&
      button("Cancel", () => item.cancel(), { class: "quiet", "aria-label": `Cancel ${file.name}` }),
    (!sent || problem) &&
      !added &&
      button("Upload", () => void sendOrAsk(item), { "aria-label": `Upload ${file.name}` }),
    (!sent || problem) &&
      button("×", () => remove(item), { class: "quiet", "aria-label": `Remove ${file.name} from the list` }),
  );
}

function outcome({ fileId, status, table, rowsCommitted, rowsRejected, durations }) {
  if (status !== "committed")
    return element("span", { class: "hint" }, status === "received" ? "stored, waiting for a parser" : "");
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

const progressText = (share) => (share < 1 ? `${Math.floor(share * 100)} % sent` : "sent, storing");

/** A table keeps its columns for good: the user confirms before a file adds some. */
const question = (item) =>
  element(
    "p",
    { class: "card pad said busy", role: "alert" },
    `${targetOf(item)} would get ${plural(item.added.length, "new column")}: ` +
      `${item.added.map(({ name }) => name).join(", ")}. `,
    button("Upload and add", () => void send(item), { "aria-label": `Upload ${item.file.name} and add its columns` }),
  );

async function sendOrAsk(item) {
  const table = targetOf(item);
  // Whether the file can be read at all is the upload's own answer.
  const result = existing.has(table) && (await preview(item.file, table, givenDialect()).catch(() => undefined));
  if (!queue.includes(item) || (item.sent && !item.problem)) return;
  const addsSome = result && !result.error && result.rowsAccepted > 0 && result.diff.added.length > 0;
  if (!addsSome) return send(item);
  item.added = result.diff.added;
  draw(item);
  announce(`${item.file.name}: would add ${plural(item.added.length, "column")} to ${table}`);
}

async function send(item) {
  const cancelled = new AbortController();
  const cancel = () => cancelled.abort();
  Object.assign(item, { sent: true, share: 0, added: undefined, problem: undefined, status: undefined, cancel });
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
    const table = targetOf(item);
    const status = await upload(item.file, table, givenDialect(), onProgress, cancelled.signal);
    // A status event received during the upload is newer than the response.
    item.status = item.lastEvent?.fileId === status.fileId ? item.lastEvent : status;
  } catch (problem) {
    item.problem = problem;
  }
  draw(item);
}

/** Updates the chosen file that this status belongs to, if there is one. */
export function fileStatusChanged(status) {
  if (status.status === "committed") existing.add(status.table);
  for (const item of queue) {
    if (!item.sent || item.file.name !== status.sourceFile) continue;
    if (item.status && item.status.fileId !== status.fileId) continue;
    if (item.status && !isBusy(item.status) && isBusy(status)) continue;
    item.lastEvent = status;
    if (item.status) {
      if (item.status.status !== status.status && !isBusy(status)) announce(`${status.sourceFile}: ${status.status}`);
      item.status = status;
      draw(item);
    }
  }
}

/**
 * Shows the file's preview. Redraws the list only when another file is selected: a redraw during a click
 * would replace the button that is being clicked.
 */
function select(item) {
  if (item !== shownItem) {
    shownItem = item;
    queue.forEach(draw);
  }
  void guarded(byId("preview"), () => showPreview(item));
}

/** The settings that the page has no list of values for; a delimiter and a header that are in no list, too. */
const moreSettings = settingInputs(
  SETTINGS.map(([name]) => name).filter((name) => name !== "encoding"),
  "upload",
  { delimiter: "Other delimiter", header: "Header rows" },
);
byId("more-settings").append(...moreSettings.labels);

/** The file format settings that the user changed from "detected". */
const givenDialect = () => ({
  ...Object.fromEntries(
    ["delimiter", "encoding", "header"].map((name) => [name, byId(name).value]).filter(([, value]) => value !== ""),
  ),
  ...moreSettings.given(),
});

/** Contracts are files: the patch is there to be copied into the table's own. */
const proposalPart = ({ proposals, patch }) => [
  element("h3", {}, "Proposals for the contract"),
  element("ul", {}, ...proposals.map(({ text }) => element("li", {}, text))),
  patch && [
    element(
      "p",
      { class: "hint" },
      `With the certain ones ${plural(patch.rowsAccepted, "row")} would load and ${count(patch.rowsRejected)} be rejected` +
        `${patch.needsRebuild ? ", once the table is rebuilt" : ""}. Nothing is applied:`,
    ),
    element("pre", { class: "card pad", tabindex: "0", "aria-label": "Patch for the contract" }, patch.yaml),
    button("Copy the patch", async () => {
      await navigator.clipboard.writeText(patch.yaml);
      announce("copied the patch");
    }),
  ],
];

async function showPreview(item) {
  const { file } = item;
  const table = targetOf(item);
  const place = byId("preview");
  place.replaceChildren(waiting(`reading ${file.name} …`));
  const dialect = givenDialect();
  const result = await preview(file, table, dialect).catch((problem) => {
    if (item === shownItem) throw problem;
  });
  // Discard the result if another file or table was chosen during the request.
  if (!result || item !== shownItem || table !== targetOf(item)) return;
  const title = `Preview of ${file.name}`;
  // Of a file that would fail no row loads.
  const loading = result.error ? 0 : result.rowsAccepted;
  redraw(
    place,
    element("h2", {}, title),
    result.error && element("div", { class: "card pad problem", role: "alert" }, faultOf(result.error)),
    tiles([
      [result.complete ? "Rows" : `Rows in the first ${size(result.textBytes)}`, count(result.rowsRead)],
      ["Would load", count(loading), loading > 0 ? "good" : "bad"],
      ["Would be rejected", count(result.rowsRejected), result.rowsRejected > 0 ? "bad" : null],
      ["Format", dialectText(result.dialect)],
      ["Schema", result.error ? "would fail" : known.includes(table) ? changeText(result.diff) : `new table ${table}`],
    ]),
    element("h3", {}, "Columns"),
    columnTable(result, known.includes(table)),
    element("h3", {}, "First rows"),
    dataTable(
      "First rows",
      result.columns.map(({ name, type }) => ({ name, hint: type, numeric: isNumeric(type) })),
      result.rows.slice(0, ROWS_SHOWN),
      "No row would load.",
      { wide: true },
    ),
    result.proposals.length > 0 && proposalPart(result),
    result.rejects.length > 0 && [
      element("h3", {}, "Would be rejected"),
      rejectTable("Rows that would be rejected", result.rejects),
    ],
  );
  announce(`${title}: ${plural(loading, "row")} would load, ${count(result.rowsRejected)} would be rejected`);
}

const isNumeric = (type) => /^(INTEGER|BIGINT|DECIMAL|DOUBLE)/.test(type);

function changeText({ added, widened, missing, conflicting }) {
  const parts = [
    [added, "new"],
    [widened, "widened"],
    [missing, "missing"],
    [conflicting, "conflicting"],
  ]
    .filter(([list]) => list.length > 0)
    .map(([list, what]) => `${list.length} ${what}`);
  return parts.length === 0 ? "no changes" : parts.join(", ");
}

/**
 * The file's columns with the change that each makes to the table; then the table's columns missing in the
 * file.
 */
function columnTable({ columns, untyped, diff, renamed }, exists) {
  const by = (list) => new Map(list.map((one) => [one.name, one]));
  const [added, widened, conflicting] = [by(diff.added), by(diff.widened), by(diff.conflicting)];
  const changeOf = (name) => {
    const conflict = conflicting.get(name);
    if (conflict) {
      const values = conflict.rejects > 0 ? `${plural(conflict.rejects, "value")}: ` : "";
      return element("span", {}, pill("conflict"), ` ${values}${conflict.example}`);
    }
    const wider = widened.get(name);
    if (wider) return element("span", {}, pill("widened"), ` ${wider.from} → ${wider.to}`);
    if (!added.has(name)) return element("span", { class: "hint" }, "none");
    const like = renamed.find((one) => one.name === name);
    const hint = like ? ` looks like the former ${like.former}` : "";
    return element("span", {}, pill("new", exists ? "busy" : "calm"), hint);
  };
  return dataTable(
    "Columns of the file",
    ["Column", "Type", "Header", { name: "Samples", wrap: true }, { name: "Change to the table", wrap: true }],
    [
      ...columns.map(({ name, type, header, samples }) => [
        element("strong", {}, name),
        element("code", {}, type),
        header,
        samples.map((sample) => sample ?? "NULL").join(" · "),
        changeOf(name),
      ]),
      ...untyped.map(({ name, header }) => [
        element("strong", {}, name),
        "",
        header,
        "",
        element("span", { class: "hint" }, "no value yet: comes with the first one"),
      ]),
      ...diff.missing.map((name) => [
        element("strong", {}, name),
        "",
        element("span", { class: "hint" }, "missing in this file"),
        "",
        element("span", { class: "hint" }, "NULL"),
      ]),
    ],
    "No columns.",
  );
}

/** Characters of a row that are shown; the sheet of rejects has all. */
const RAW_SHOWN_MAX = 2_000;
const beginning = (text) => (text.length > RAW_SHOWN_MAX ? `${text.slice(0, RAW_SHOWN_MAX)}…` : text);

/** Rejected rows. `fileOf` makes the cell with the file's name; omit it when all rows are from one file. */
export const rejectTable = (label, rejects, fileOf) =>
  dataTable(
    label,
    [
      ...(fileOf ? ["File"] : []),
      { name: "Line", numeric: true },
      "Column",
      "Reason",
      { name: "Message", wrap: true },
      { name: "Raw row", wrap: true },
    ],
    rejects.map((reject) => [
      ...(fileOf ? [fileOf(reject)] : []),
      count(reject.line),
      reject.column ?? element("span", { class: "hint" }, "whole row"),
      pill(reject.reason, "bad"),
      reject.message,
      element("code", { class: "raw" }, beginning(reject.raw)),
    ]),
  );

// Event handlers

const refreshPreview = () => shownItem && select(shownItem);
byId("picker").addEventListener("change", ({ target }) => {
  choose([...target.files]);
  target.value = ""; // so that choosing the same file again fires `change`
});
byId("table-name").addEventListener("input", () => {
  tableWasTyped = true;
  for (const item of queue) if (!item.sent) item.added = undefined;
  queue.forEach(draw);
});
for (const input of [...["table-name", "delimiter", "encoding", "header"].map(byId), ...moreSettings.inputs])
  input.addEventListener("change", refreshPreview);
byId("upload-all").addEventListener("click", async () => {
  for (const item of queue.filter(({ sent, added }) => !sent && !added)) await sendOrAsk(item);
});
const drop = byId("drop");
drop.addEventListener("submit", (event) => {
  event.preventDefault();
  refreshPreview();
});
for (const name of ["dragover", "dragleave", "drop"]) {
  // On the whole page: without a handler the browser would open a dropped file instead of the console.
  addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name !== "drop" || event.dataTransfer.files.length === 0) return;
    location.hash = "#upload";
    choose([...event.dataTransfer.files]);
  });
}
