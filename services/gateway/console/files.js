/** The files and how far they are. */
import { ago, byId, count, dataTable, element, pill, redraw, took } from "./dom.js";

export const FILES_SHOWN_MAX = 200;
const DRAW_EVERY_MS = 150;
const files = new Map();
const listeners = [];

/** `listener` is called with each file whose state is told. */
export const onFile = (listener) => listeners.push(listener);

export const isBusy = ({ status }) => status === "received" || status === "parsing" || status === "parsed";

const newestFirst = () => [...files.values()].sort((a, b) => (a.fileId < b.fileId ? 1 : -1));

/** Newest first. */
export const filesOf = (table) => newestFirst().filter((file) => file.table === table);

export function noteFile(file) {
  files.set(file.fileId, file);
  if (files.size > FILES_SHOWN_MAX) files.delete([...files.keys()].sort()[0]);
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
  rejects: ({ rowsRejected }) => rowsRejected > 0,
  failed: ({ status }) => status === "failed" || status === "rejected",
};

export function drawFiles() {
  const busy = [...files.values()].filter(isBusy).length;
  byId("busy-count").hidden = busy === 0;
  byId("busy-count").textContent = `${busy} on their way`;
  if (byId("view-files").hidden) return;
  const chosen = newestFirst().filter(FILTERS[byId("file-filter").value]);
  byId("file-count").textContent = `${count(chosen.length)} of the newest ${count(files.size)}, live`;
  redraw(byId("file-list"), fileTable("Files, newest first", chosen));
}

export const fileTable = (label, chosen, { withTable = true } = {}) =>
  dataTable(
    label,
    [
      "File",
      ...(withTable ? ["Table"] : []),
      "State",
      ...["Rows", "Rejected", "Took"].map((name) => ({ name, numeric: true })),
      "Received",
      { name: "", wrap: true },
    ],
    chosen.map((file) => [
      element(
        "span",
        { title: `${file.fileId} · version ${file.sourceOffset ?? "–"}` },
        file.sourceFile,
        file.origin === "replay" && element("small", {}, " read again"),
      ),
      ...(withTable ? [tableLink(file.table)] : []),
      pill(file.status),
      count(file.rowsCommitted ?? file.rowsRead),
      file.rowsRejected ? element("a", { href: `#tables/${file.table}` }, count(file.rowsRejected)) : "0",
      took(file.durations?.totalMs),
      element("span", {}, ago(file.receivedAt)),
      file.error ? faultOf(file.error) : "",
    ]),
    "No files yet. Upload one, or drop one into the drop folder.",
  );

export const tableLink = (table) => element("a", { href: `#tables/${table}`, "data-key": `table ${table}` }, table);

export const faultOf = ({ code, message, remedy }) =>
  element(
    "span",
    { class: "fault" },
    element("strong", {}, code),
    ` ${message} `,
    element("span", { class: "hint" }, remedy),
  );

byId("file-filter").addEventListener("change", drawFiles);
