/** The rejected rows of a table: which, where, why; and reading their files again. */
import { call, post, tablePath } from "./api.js";
import { announce, button, count, element, guarded, plural } from "./dom.js";
import { filesOf } from "./files.js";
import { act, part } from "./table-parts.js";
import { rejectTable } from "./upload.js";

const PAGE = 200;

/** The newest rejects of a table. */
export async function readRejects(name) {
  const { rejects, nextCursor } = await call(`${tablePath(name)}/rejects?limit=${PAGE}`);
  return { rejects, nextCursor, reason: "", file: "" };
}

/** Rejects of each file's newest version; what a newer version has settled is past. They come newest first. `more`: there may be others. */
export function standing(name, { rejects, nextCursor }) {
  const newest = new Map();
  const note = ({ sourceFile, sourceOffset }) =>
    newest.set(sourceFile, Math.max(sourceOffset, newest.get(sourceFile) ?? -1));
  filesOf(name)
    .filter(({ status }) => status === "committed")
    .forEach(note);
  rejects.forEach(note);
  const rows = rejects.filter(({ sourceFile, sourceOffset }) => sourceOffset === newest.get(sourceFile));
  return { rows, more: nextCursor !== null, past: rejects.length - rows.length };
}

/** `found` is what readRejects gave; choices and further pages are noted in it, then `redraw` is called. */
export function rejectsPart(name, found, redraw) {
  const { rows, more: hasMore, past } = standing(name, found);
  const shown = rows.filter(
    ({ reason, sourceFile }) =>
      (!found.reason || reason === found.reason) && (!found.file || sourceFile === found.file),
  );
  return part(
    "Rejected rows",
    rows.length > 0 && replayButton(name, found.file),
    rows.length > 0 &&
      element(
        "p",
        { class: "row" },
        choice(
          "Reason",
          found,
          "reason",
          rows.map(({ reason }) => reason),
          redraw,
        ),
        choice(
          "File",
          found,
          "file",
          rows.map(({ sourceFile }) => sourceFile),
          redraw,
        ),
        element("span", { class: "hint" }, `${count(shown.length)} of ${count(rows.length)}${hasMore ? "+" : ""}`),
      ),
    rows.length === 0
      ? element("p", { class: "card pad hint" }, "None: every row that was read is in the table.")
      : rejectTable("Rejected rows", shown, ({ sourceFile, fileId }) =>
          element("a", { href: `#files/${fileId}`, "data-key": `reject file ${fileId}` }, sourceFile),
        ),
    found.nextCursor && button("Show more", () => void more(name, found, redraw), { class: "quiet" }),
    past > 0 &&
      element("p", { class: "hint" }, "Those of earlier versions of these files are in the table _rejected_rows."),
  );
}

/** A choice among the values that are there, if there are several. */
function choice(label, found, key, values, redraw) {
  const counts = Map.groupBy(values, (value) => value);
  if (counts.size < 2 && !found[key]) return null;
  const options = [...counts].map(([value, { length }]) =>
    element("option", { value, selected: value === found[key] }, `${value} (${length})`),
  );
  const onChange = ({ target }) => {
    found[key] = target.value;
    redraw();
  };
  return element(
    "label",
    {},
    `${label} `,
    element(
      "select",
      { "data-key": `choice ${label}`, on: { change: onChange } },
      element("option", { value: "" }, "all"),
      options,
    ),
  );
}

const replayButton = (name, file) =>
  act(
    file ? "Replay this file" : "Replay",
    "asking for them to be read again",
    async () => {
      const { files } = await post(`${tablePath(name)}/rejects/replay`, file ? { file } : {});
      return files.length === 0
        ? { text: "No file with rejected rows is left to read again.", tone: "calm" }
        : {
            text: `${plural(files.length, "file")} will be read again: ${files.map(({ sourceFile }) => sourceFile).join(", ")}. Rows that fit the contract now will load.`,
            tone: "good",
          };
    },
    {
      "aria-label": file ? `Replay ${file}` : "Replay all files with rejected rows",
      title: "Reads the files again, with the contract as it is now",
    },
  );

async function more(name, found, redraw) {
  const place = element("div");
  await guarded(place, async () => {
    const page = await call(`${tablePath(name)}/rejects?limit=${PAGE}&cursor=${encodeURIComponent(found.nextCursor)}`);
    found.rejects.push(...page.rejects);
    found.nextCursor = page.nextCursor;
    announce(`${plural(page.rejects.length, "row")} more`);
  });
  redraw();
}
