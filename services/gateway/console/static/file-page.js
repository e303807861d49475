/** One file: how far it is, what its time went on, how it was read, and what is wrong with it. */
import { call } from "./api.js";
import { ago, byId, count, dataTable, element, guarded, pairs, pill, redraw, size, took, waiting } from "./dom.js";
import { faultOf, fileById, isBusy, onFile, rejectsLink, tableLink } from "./files.js";
import { dialectText } from "./upload.js";

let selected = "";

/** Shows the file's page, or the list where there is no id. */
export async function showFile(fileId) {
  selected = fileId;
  byId("files-part").hidden = fileId !== "";
  const place = byId("file-detail");
  byId("files-title").textContent = "Files";
  if (!fileId) return place.replaceChildren();
  place.replaceChildren(waiting("reading the file's record …"));
  await guarded(place, async () => {
    const file = await call(`/v1/files/${encodeURIComponent(fileId)}`);
    if (selected === fileId) draw(file);
  });
}

onFile((file) => {
  if (file.fileId === selected) draw(file);
});

function draw(file) {
  const { sourceFile, table, status, kind, origin, error, columns, rowsRejected } = file;
  byId("files-title").textContent = sourceFile;
  document.title = `${sourceFile} · Tributary`;
  redraw(
    byId("file-detail"),
    element(
      "p",
      { class: "head" },
      element(
        "span",
        { class: "row" },
        element("a", { href: "#files", "data-key": "back" }, "All files"),
        pill(status),
        element("span", {}, kind === "deleted" ? "deleted from " : "into ", tableLink(table)),
        rowsRejected > 0 && rejectsLink(file, rowsRejected === 1 ? " rejected row" : " rejected rows"),
      ),
    ),
    error && element("div", { class: "card pad problem", role: "alert" }, faultOf(error)),
    steps(file),
    element(
      "div",
      { class: "columns" },
      element(
        "section",
        { class: "part", "aria-label": "Columns" },
        element("h2", { class: "head" }, "Columns"),
        dataTable(
          "Columns",
          ["Column", "Type", "In the file"],
          (columns ?? []).map(({ name, type, header }) => [
            element("strong", {}, name),
            element("code", {}, type),
            header,
          ]),
          isBusy(file) ? "It has not been read yet." : error ? "None were read." : "No longer known.",
        ),
      ),
      element(
        "section",
        { class: "part", "aria-label": "Record" },
        element("h2", { class: "head" }, "Record"),
        element("div", { class: "card pad" }, record(file, origin)),
      ),
    ),
  );
}

const record = (file, origin) =>
  pairs([
    ["Rows", file.rowsRead === null ? null : rowsText(file)],
    ["Received", element("span", {}, ago(file.receivedAt), origin ? ` by ${origin}` : "")],
    ["Size", size(file.sizeBytes)],
    ["Written as", file.dialect ? dialectText(file.dialect) : file.encoding?.toUpperCase()],
    ["Version", file.sourceOffset === null ? null : count(file.sourceOffset)],
    ["Replay of", file.replayOf && element("a", { href: `#files/${file.replayOf}` }, file.replayOf)],
    ["Snapshot", file.commit?.snapshotId],
    ["Commit", file.commit && `${file.commit.commitId} (${file.commit.strategy})`],
    ["SHA-256", file.contentHash && element("code", {}, file.contentHash)],
    ["File id", element("code", {}, file.fileId)],
  ]);

const rowsText = ({ rowsRead, rowsCommitted, rowsRejected }) =>
  `${count(rowsRead)} read${rowsCommitted === null ? "" : `, ${count(rowsCommitted)} in the table`}, ${count(rowsRejected ?? 0)} rejected`;

/** What its time went on, from its arrival until its rows could be queried: a bar with a part for each step, and the same in words. */
function steps({ durations, receivedAt, parseStartedAt, parsedAt, committedAt }) {
  const moments = [receivedAt, parseStartedAt, parsedAt, committedAt].map((at) => Date.parse(at));
  const [received, started, parsed, committed] = moments;
  if (moments.some(Number.isNaN)) return null;
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
      "Its rows could be queried ",
      element("strong", {}, took(committed - received)),
      " after it arrived:",
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
