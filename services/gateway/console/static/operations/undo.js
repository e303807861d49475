/** Undo of a file: first what it would take back, then the undo itself. */
import { call, tablePath } from "../api.js";
import { confirmCard, said } from "./card.js";
import { announce, button, count, element, guarded, plural, size, waiting } from "../dom.js";

/** The part of a file's page that takes the file back; null for deletions. */
export function undoPart({ table, sourceFile, kind }) {
  if (kind !== "put") return null;
  const place = element("div");
  const show = button("Undo this file …", () => plan(place, table, sourceFile), {
    class: "quiet",
    "data-key": "undo plan",
  });
  return element("section", { class: "part", "aria-label": "Undo" }, show, place);
}

const request = (table, sourceFile, query) => {
  const name = sourceFile.split("/").map(encodeURIComponent).join("/");
  return call(`${tablePath(table)}/files/${name}?${new URLSearchParams(query)}`, { method: "DELETE" });
};

async function plan(place, table, sourceFile) {
  place.replaceChildren(waiting("counting …"));
  await guarded(place, async () => {
    const { rows, versions, readAgain, missing, error } = await request(table, sourceFile, { dryRun: "true" });
    const lines = [
      `${plural(rows, "row")} of ${table} came from ${sourceFile} (${plural(versions, "version")}). The undo takes them back.`,
      readAgain.versions > 0 &&
        `To bring earlier rows of their keys back, ${plural(readAgain.versions, "version")} of other files are read again: ` +
          `${size(readAgain.bytes)}.`,
      missing.length > 0
        ? `It would be refused: the raw bytes of ${count(missing.length)} files are gone: ${missing.join(", ")}.`
        : error !== null && `It would be refused: ${error}.`,
    ];
    place.replaceChildren(confirmCard(lines, "undo", "Undo", (given) => undo(place, table, sourceFile, given)));
  });
}

async function undo(place, table, sourceFile, given) {
  place.replaceChildren(waiting("undoing the file …"));
  await guarded(place, async () => {
    const { status, rows, error } = await request(table, sourceFile, given);
    const text = {
      done: `Undone: ${plural(rows, "row")} of ${sourceFile} taken back.`,
      pending: "The undo is in progress. It continues if you leave this page.",
    }[status];
    const tone = status === "done" ? "good" : status === "pending" ? "calm" : "bad";
    const failure = error === null ? "The undo failed." : `The undo failed: ${error}.`;
    place.replaceChildren(said(tone, text ?? failure));
    announce(text ?? failure);
  });
}
