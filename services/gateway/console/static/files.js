/** The files and their status: the files view, and the newest files in the upload view. */
import { call } from "./api.js";
import { ago, announce, button, byId, count, dataTable, element, filePill, guarded, messageText, plural, redraw, took } from "./dom.js";

export const FILES_SHOWN_MAX = 200;
const RECENT_SHOWN = 5;
const DRAW_EVERY_MS = 150;
const files = new Map();
const listeners = [];
/**
 * True once the gateway's files have been read; until then an empty list does not mean that there are none.
 */
let loaded = false;

/** Calls `listener` with each new or changed file. */
export const onFile = (listener) => listeners.push(listener);

const BUSY = new Set(["received", "parsing", "parsed", "blocked"]);
export const isBusy = ({ status }) => BUSY.has(status);

/** The gateway's order: by arrival, then by id. The ids of dropped files hold no time. */
const placeOf = ({ receivedAt, fileId }) => `${receivedAt} ${fileId}`;
const byAge = (a, b) => (placeOf(a) < placeOf(b) ? 1 : -1);
const newestFirst = () => [...files.values()].sort(byAge);

/** What is asked of a table has a place among its files, and no name of its own. */
export const nameOf = ({ sourceFile, operation }) =>
  ["drop", "rebuild", "rename"].includes(operation ?? "") ? `${operation} of the table` : sourceFile;

/** Newest first. */
export const filesOf = (table) => newestFirst().filter((file) => file.table === table);

export const fileById = (fileId) => files.get(fileId);

const CHANGES_KEPT_MAX = 1_000;
/** Number of live changes so far, and of each file the last one. */
let changes = 0;
const lastChanges = new Map();

export const changesSoFar = () => changes;

/** True if the file has changed live since so many changes: then an answer that was on its way is older. */
export const hasChangedSince = ({ fileId }, since) => (lastChanges.get(fileId) ?? 0) > since;

/** Takes over a live change. */
export function changeFile(file) {
  lastChanges.delete(file.fileId);
  lastChanges.set(file.fileId, ++changes);
  if (lastChanges.size > CHANGES_KEPT_MAX) lastChanges.delete(lastChanges.keys().next().value);
  noteFile(file);
}

export function noteFile(file) {
  files.set(file.fileId, file);
  if (files.size > FILES_SHOWN_MAX) files.delete(newestFirst().at(-1).fileId);
  for (const listener of listeners) listener(file);
  drawSoon();
}

let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    drawFiles();
  }, DRAW_EVERY_MS);
}

const FILTERS = {
  "": () => true,
  busy: isBusy,
  committed: ({ status }) => status === "committed",
  blocked: ({ status }) => status === "blocked",
  held: ({ status }) => status === "held",
  rejects: ({ rowsRejected }) => rowsRejected > 0,
  failed: ({ status }) => status === "failed" || status === "rejected",
};

/** `allLoaded`: the gateway's files have been read. */
export function drawFiles({ allLoaded = false } = {}) {
  loaded ||= allLoaded;
  const busy = [...files.values()].filter(isBusy).length;
  byId("busy-count").hidden = busy === 0;
  byId("busy-count").textContent = `${busy} in progress`;
  if (!byId("view-upload").hidden) drawRecent();
  if (byId("view-files").hidden || byId("files-part").hidden) return;
  const chosen = newestFirst().filter(FILTERS[byId("file-filter").value]);
  byId("file-count").textContent = `${count(chosen.length)} of the newest ${count(files.size)}, live`;
  const empty =
    files.size > 0 ? "No file has this status." : "No files yet. Upload one, or put one into the drop folder.";
  redraw(byId("file-list"), fileTable("Files, newest first", chosen, { empty }));
}

function drawRecent() {
  if (!loaded) return;
  const recent = newestFirst().slice(0, RECENT_SHOWN);
  redraw(
    byId("recent"),
    recent.length === 0
      ? firstSteps()
      : [
          element(
            "div",
            { class: "head" },
            element("h2", {}, "Newest files"),
            element("a", { href: "#files", "data-key": "all files" }, "All files"),
          ),
          fileTable("Newest files", recent),
        ],
  );
}

const firstSteps = () =>
  element(
    "div",
    { class: "card pad" },
    element("h2", {}, "No files yet"),
    element(
      "p",
      { class: "hint" },
      "Choose a file above. The target table defaults to the file's name; the first file creates the table. " +
        "Other ways to load a file:",
    ),
    element("pre", { tabindex: "0" }, [
      `curl -T sales.csv ${location.origin}/v1/tables/sales/files/sales.csv\n`,
      "npm run tributary -- upload sales sales.csv --wait\n",
      "cp sales.csv .tributary/drops/sales/",
    ]),
  );

export const fileTable = (label, chosen, { withTable = true, empty = "No files yet." } = {}) =>
  dataTable(
    label,
    [
      "File",
      ...(withTable ? ["Table"] : []),
      "Status",
      ...["Rows", "Rejected", "Duration"].map((name) => ({ name, numeric: true })),
      "Received",
      { name: "", wrap: true },
    ],
    chosen.map((file) => [
      element(
        "span",
        {},
        element("a", { href: `#files/${file.fileId}`, "data-key": `file ${file.fileId}` }, nameOf(file)),
        file.operation === "undo" && element("small", {}, " undone"),
        file.origin === "replay" && element("small", {}, " replayed"),
        file.kind === "deleted" && !file.operation && element("small", {}, " deleted"),
      ),
      ...(withTable ? [tableLink(file.table)] : []),
      filePill(file),
      count(file.rowsCommitted ?? file.rowsRead),
      file.rowsRejected ? rejectsLink(file) : "0",
      took(file.durations?.totalMs),
      element("span", {}, ago(file.receivedAt)),
      file.error ? faultOf(file.error) : "",
    ]),
    empty,
  );

const PAGE = 20;

const filesPath = (table, cursor) =>
  `/v1/files?${new URLSearchParams({ table, limit: PAGE, ...(cursor ? { cursor } : {}) })}`;

/** A table's newest files: a page of them, whichever tables the newest files of all belong to. */
export const readFiles = (table) => call(filesPath(table));

/** `found` is the result of readFiles. Further pages are stored in it, then `redraw` is called. */
export function filesOfTable(table, found, redraw) {
  const listed = new Map(found.files.map((file) => [file.fileId, file]));
  // What is known live is newer; a file older than the pages read has its place on a later page.
  for (const file of filesOf(table)) {
    if (listed.has(file.fileId) || found.nextCursor === null || byAge(file, found.files.at(-1)) < 0)
      listed.set(file.fileId, file);
  }
  const chosen = [...listed.values()].sort(byAge);
  return [
    fileTable(`Files of ${table}, newest first`, chosen, { withTable: false, empty: "No files of this table." }),
    found.nextCursor && button("Show older files", () => void olderFiles(table, found, redraw), { class: "quiet" }),
  ];
}

async function olderFiles(table, found, redraw) {
  await guarded(element("div"), async () => {
    const page = await call(filesPath(table, found.nextCursor));
    found.files.push(...page.files);
    found.nextCursor = page.nextCursor;
    announce(plural(page.files.length, "older file"));
  });
  redraw();
}

export const tableLink = (table) => element("a", { href: `#tables/${table}`, "data-key": `table ${table}` }, table);

export const rejectsLink = ({ fileId, table, rowsRejected }, noun = "") =>
  element(
    "a",
    { class: "bad", href: `#tables/${table}/rejects`, "data-key": `rejects ${fileId}` },
    `${count(rowsRejected)}${noun}`,
  );

export const faultOf = ({ code, message, remedy }) =>
  element(
    "span",
    { class: "fault" },
    element("strong", {}, code),
    " ",
    messageText(message),
    " ",
    element("span", { class: "hint" }, remedy),
  );

/** Why a table takes no rows, and when it is tried again. */
export const blockedPart = ({ step, error, attempts, since, nextTryAt }) =>
  element(
    "div",
    { class: "card pad problem", role: "alert" },
    faultOf(error),
    element("p", {}, `Blocked ${ago(since)}: ${step} failed ${count(attempts)} times. Next try: ${nextTryAt}.`),
  );

byId("file-filter").addEventListener("change", () => drawFiles());
