/** Rebuild of a table: first what it would change, then the rebuild itself, and how far it is. */
import { post, tablePath } from "../api.js";
import { announce, button, count, dataTable, element, guarded, plural, size, waiting } from "../dom.js";
import { filesOf, isBusy, onFile } from "../files.js";
import { confirmCard, said } from "./card.js";
import { part } from "../table-parts.js";

/** What the part says; it stays while the page around it is drawn again. */
const place = element("div");
let shownFor = "";

/** The part of a table's page that rebuilds the table. */
export function rebuildPart({ table, exists, rebuild }) {
  if (shownFor !== table) place.replaceChildren();
  shownFor = table;
  const running = runningOf(table, rebuild);
  const show = button("Rebuild this table …", () => plan(table), { class: "quiet", "data-key": "rebuild plan" });
  return part(
    "Rebuild",
    exists && show,
    running && element("p", { class: "card pad said calm", role: "status" }, progressText(running)),
    element("p", { class: "hint" }, "Reads the table's kept files again under the present contract, and finds all types again."),
    place,
  );
}

/** The rebuild that waits or runs, as the live changes have it, else as the table was read. */
function runningOf(table, read) {
  const live = filesOf(table).find(({ operation }) => operation === "rebuild");
  if (live && (!read || live.fileId >= read.fileId)) return isBusy(live) ? live : null;
  return read;
}

export function progressText({ progress }) {
  if (!progress) return "A rebuild waits for the files before it.";
  const { step, filesDone, filesTotal, bytesDone, bytesTotal, rowsDone, rowsTotal = 0 } = progress;
  if (step === "parse") {
    return `Parsing: ${size(bytesDone)} of ${size(bytesTotal)}, ${plural(rowsDone, "row")}.`;
  }
  if (step === "load") return `Loading: ${count(rowsDone)} of ${plural(rowsTotal, "row")}.`;
  if (step === "commit") return `Committing: ${plural(rowsTotal, "row")}.`;
  if (step === "replace") return "Rebuild: the new table takes its place.";
  const what = step === "types" ? "step 1 of 2, finds types" : "step 2 of 2, loads rows";
  const amounts = `${size(bytesDone)} of ${size(bytesTotal)}, ${plural(rowsDone, "row")}`;
  return `Rebuild, ${what}: ${count(filesDone)} of ${plural(filesTotal, "file")}, ${amounts}.`;
}

async function plan(table) {
  place.replaceChildren(waiting("reading the files …"));
  await guarded(place, async () => {
    const found = await post(`${tablePath(table)}/rebuild`, { dryRun: true });
    if (shownFor !== table) return;
    const { files, bytes, waiting: onTheirWay, rows, rejects, columns, error, remedy, complete } = found;
    const lines = [
      `${plural(files, "file version")}, ${size(bytes)}, would be read again. ` +
        `The table has ${plural(rows.now, "row")} now, the files have ${count(rows.inFiles)}.`,
      rejects && rejectsText(rows.after, rejects),
      onTheirWay > 0 && `${plural(onTheirWay, "file")} on the way: they follow.`,
      !complete && "Not all files were read: the changes may be more.",
      error && element("p", {}, `It would be refused: ${error} `, element("span", { class: "hint" }, remedy)),
      changes(columns ?? []),
    ];
    place.replaceChildren(confirmCard(lines, "rebuild", "Rebuild", (given) => rebuild(table, given)));
  });
}

const rejectsText = (rowsAfter, { now, after }) =>
  `${rowsAfter === null ? "" : `${plural(rowsAfter, "row")} would be in the table. `}Rejected rows: ${count(now)} now, ${count(after)} after.`;

const changes = (columns) =>
  dataTable(
    "Columns that change",
    ["Column", "Now", "After"],
    columns.map(({ name, from, to }) => [element("strong", {}, name), from ?? "–", to ?? "–"]),
    "No column changes.",
  );

async function rebuild(table, given) {
  place.replaceChildren(waiting("rebuilding the table …"));
  await guarded(place, async () => {
    const path = `${tablePath(table)}/rebuild`;
    const { status, code, error, remedy, links } = await post(path, { confirm: table, ...given });
    if (shownFor !== table) return;
    awaited = status === "pending" ? links.self : "";
    say(status, { code, message: error, remedy });
  });
}

/** `links.self` of the rebuild whose end is not known yet. */
let awaited = "";
onFile((file) => {
  if (file.links.self !== awaited || isBusy(file)) return;
  awaited = "";
  if (shownFor === file.table) say(file.status === "committed" ? "done" : "failed", file.error ?? {});
});

function say(status, { code, message, remedy }) {
  const text = {
    done: "The table is rebuilt.",
    pending: "The rebuild is in progress. It continues if you leave this page.",
    failed: `The rebuild failed, and the table is as before. ${code}: ${message}`,
  }[status];
  const tone = { done: "good", pending: "calm", failed: "bad" }[status];
  place.replaceChildren(said(tone, text, status === "failed" && element("p", { class: "hint" }, remedy)));
  announce(text);
  document.dispatchEvent(new Event("table-acted"));
}
