/** The page of one file: status, time per step, format, columns and error. */
import { call } from "./api.js";
import { ago, byId, count, dataTable, element, filePill, guarded, pairs, plural, redraw, size, took, waiting } from "./dom.js";
import { blockedPart, changesSoFar, faultOf, fileById, hasChangedSince, isBusy, nameOf, onFile, rejectsLink, tableLink } from "./files.js";
import { heldPart } from "./upload/held.js";
import { progressText } from "./operations/rebuild.js";
import { cancelPart } from "./operations/cancel.js";
import { undoPart } from "./operations/undo.js";
import { dialectText, readingText } from "./upload/dialect.js";

let selected = "";

/** Shows the file's page, or the list if `fileId` is empty. */
export async function showFile(fileId) {
  selected = fileId;
  byId("files-part").hidden = fileId !== "";
  const place = byId("file-detail");
  byId("files-title").textContent = "Files";
  if (!fileId) return place.replaceChildren();
  place.replaceChildren(waiting("reading the file's details …"));
  await guarded(place, async () => {
    const since = changesSoFar();
    const file = await call(`/v1/files/${encodeURIComponent(fileId)}`);
    if (selected === fileId && !hasChangedSince(file, since)) draw(file);
  });
}

onFile((file) => {
  if (file.fileId === selected) draw(file);
});

function draw(file) {
  const { table, kind, origin, error, blocked, columns, rowsRejected, progress, waitsFor } = file;
  byId("files-title").textContent = nameOf(file);
  document.title = `${nameOf(file)} · Tributary`;
  redraw(
    byId("file-detail"),
    element(
      "p",
      { class: "head" },
      element(
        "span",
        { class: "row" },
        element("a", { href: "#files", "data-key": "back" }, "All files"),
        filePill(file),
        element("span", {}, file.operation ? "on " : kind === "deleted" ? "deleted from " : "into ", tableLink(table)),
        rowsRejected > 0 && rejectsLink(file, rowsRejected === 1 ? " rejected row" : " rejected rows"),
      ),
    ),
    error && element("div", { class: "card pad problem", role: "alert" }, faultOf(error)),
    blocked && blockedPart(blocked),
    progress && element("p", { class: "card pad said calm", role: "status" }, progressText(file)),
    waitsFor && element("p", { class: "card pad said calm", role: "status" }, ...waitsForText(waitsFor)),
    heldPart(file),
    steps(file),
    cancelPart(file, isBusy(file)),
    !isBusy(file) && undoPart(file),
    element(
      "div",
      { class: "columns" },
      element(
        "section",
        { class: "part", "aria-label": "Columns" },
        element("h2", { class: "head" }, "Columns"),
        dataTable(
          "Columns",
          ["Column", "Type", "Header"],
          (columns ?? []).map(({ name, type, header }) => [
            element("strong", {}, name),
            element("code", {}, type),
            header,
          ]),
          isBusy(file) ? "Not parsed yet." : error ? "None were read." : "Not available any more.",
        ),
      ),
      element(
        "section",
        { class: "part", "aria-label": "Details" },
        element("h2", { class: "head" }, "Details"),
        element("div", { class: "card pad" }, details(file, origin)),
      ),
    ),
  );
}

const waitsForText = (head) => [
  "Waits for ",
  element("a", { href: `#files/${head.fileId}` }, head.sourceFile),
  `. ${progressText(head)}`,
];

const details = (file, origin) =>
  pairs([
    ["Rows", file.rowsRead === null ? null : rowsText(file)],
    ...(file.warnings ?? []).map(({ rule, rows, line, message }) => [
      `Warning ${rule}`,
      rows === 0 ? message : `${plural(rows, "row")}, first on line ${count(line)}: ${message}`,
    ]),
    ["Received", element("span", {}, ago(file.receivedAt), origin ? ` by ${origin}` : "")],
    ["Size", size(file.sizeBytes)],
    ["Format", file.dialect ? dialectText(file.dialect) : file.encoding?.toUpperCase()],
    ["Read with", file.dialect && readingText(file.dialect)],
    ["Version", file.sourceOffset === null ? null : count(file.sourceOffset)],
    ["Replay of", file.replayOf && element("a", { href: `#files/${file.replayOf}` }, file.replayOf)],
    ["Snapshot", file.commit?.snapshotId],
    ["Commit", file.commit && `${file.commit.commitId} (${file.commit.strategy})`],
    ["SHA-256", file.contentHash && element("code", {}, file.contentHash)],
    ["File id", element("code", {}, file.fileId)],
  ]);

const rowsText = ({ rowsRead, rowsCommitted, rowsRejected }) =>
  `${count(rowsRead)} read${rowsCommitted === null ? "" : `, ${count(rowsCommitted)} in the table`}, ${count(rowsRejected ?? 0)} rejected`;

/**
 * The time per step, from arrival until the rows can be queried: a bar with a part for each step, and a list.
 */
function steps({ durations, receivedAt, parseStartedAt, parsedAt, committedAt }) {
  const times = [receivedAt, parseStartedAt, parsedAt, committedAt].map((at) => Date.parse(at));
  const [received, started, parsed, committed] = times;
  if (times.some(Number.isNaN)) return null;
  const committing = Math.max(parsed, committed - (durations.commitMs ?? 0));
  const parts = [
    ["waited for a parser", started - received, "wait"],
    ["parsed", parsed - started, "parse"],
    ["waited for the commit", committing - parsed, "queue"],
    ["committed", committed - committing, "commit"],
  ];
  const bar = parts.map(([, ms, name]) => {
    const step = element("span", { class: name });
    step.style.flexGrow = String(Math.max(0, ms));
    return step;
  });
  return element(
    "section",
    { class: "card pad steps", "aria-label": "Time" },
    element(
      "p",
      {},
      "The rows could be queried ",
      element("strong", {}, took(committed - received)),
      " after the file arrived:",
    ),
    element("div", { class: "bar-of-steps", "aria-hidden": "true" }, bar),
    element(
      "ul",
      {},
      parts.map(([text, ms, name]) =>
        element("li", {}, element("i", { class: name, "aria-hidden": "true" }), `${text} ${took(Math.max(0, ms))}`),
      ),
    ),
  );
}
