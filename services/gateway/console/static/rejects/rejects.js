/** The rejected rows of a table: file, line, reason; and the replay of their files. */
import { call, post, tablePath } from "../api.js";
import { announce, button, count, element, guarded, plural } from "../dom.js";
import { filesOf } from "../files.js";
import { groupsTable } from "./reject-groups.js";
import { act, part } from "../table-parts.js";
import { rejectTable } from "../upload/upload.js";

const PAGE = 200;

/** The newest rejects of a table. */
export async function readRejects(name) {
  const [{ rejects, nextCursor }, { total, truncated }, { groups }] = await Promise.all([
    call(`${tablePath(name)}/rejects?limit=${PAGE}`),
    call(`${tablePath(name)}/rejects/counts`),
    call(`${tablePath(name)}/rejects/groups`),
  ]);
  return { rejects, nextCursor, total, truncated, groups, reason: "", file: "" };
}

/**
 * The rejects of each file's newest version, as far as they have been read, and `totalText`, the number of
 * all. `superseded` counts the rejects of older versions. Expects the newest rejects first.
 */
export function currentRejects(name, { rejects, nextCursor, total, truncated }) {
  const newest = new Map();
  const note = ({ sourceFile, sourceOffset }) =>
    newest.set(sourceFile, Math.max(sourceOffset, newest.get(sourceFile) ?? -1));
  filesOf(name)
    .filter(({ status }) => status === "committed")
    .forEach(note);
  rejects.forEach(note);
  const rows = rejects.filter(({ sourceFile, sourceOffset }) => sourceOffset === newest.get(sourceFile));
  const superseded = rejects.length - rows.length;
  // The count and the rows are read at different moments.
  const all = nextCursor === null ? rows.length : Math.max(rows.length, total - superseded);
  return { rows, superseded, totalText: `${count(all)}${nextCursor !== null && truncated ? "+" : ""}` };
}

/** What the rejected rows have in common, largest group first. */
export const causesPart = ({ groups }) =>
  groups.length > 0 && part("Causes of rejects", null, groupsTable(groups, { withTable: false }));

/**
 * `found` is the result of readRejects. Filters and further pages are stored in it, then `redraw` is called.
 */
export function rejectsPart(name, found, redraw) {
  const { rows, totalText, superseded } = currentRejects(name, found);
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
        element("span", { class: "hint" }, `${count(shown.length)} of ${totalText}`),
      ),
    rows.length === 0
      ? element("p", { class: "card pad hint" }, "No rejected rows in the newest versions of the files.")
      : rejectTable("Rejected rows", shown, ({ sourceFile, fileId }) =>
          element("a", { href: `#files/${fileId}`, "data-key": `reject file ${fileId}` }, sourceFile),
        ),
    found.nextCursor && button("Show more", () => void more(name, found, redraw), { class: "quiet" }),
    (superseded > 0 || rows.length === 0) &&
      element(
        "p",
        { class: "hint" },
        "Rejected rows of older versions, if any, are in the table ",
        element("a", { href: "#query/_rejected_rows", "data-key": "older rejects" }, "_rejected_rows"),
        ".",
      ),
  );
}

/** A filter by one of the values that occur, if there are several. */
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
    "requesting the replay",
    async () => {
      const { files } = await post(`${tablePath(name)}/rejects/replay`, file ? { file } : {});
      return files.length === 0
        ? { text: "No file with rejected rows to replay.", tone: "calm" }
        : {
            text:
              `Replaying ${plural(files.length, "file")}: ${files.map(({ sourceFile }) => sourceFile).join(", ")}. ` +
              "Rows that now conform to the contract will load.",
            tone: "good",
          };
    },
    {
      "aria-label": file ? `Replay ${file}` : "Replay all files with rejected rows",
      title: "Parses the files again with the current contract",
    },
  );

async function more(name, found, redraw) {
  const place = element("div");
  await guarded(place, async () => {
    const page = await call(`${tablePath(name)}/rejects?limit=${PAGE}&cursor=${encodeURIComponent(found.nextCursor)}`);
    found.rejects.push(...page.rejects);
    found.nextCursor = page.nextCursor;
    announce(`${plural(page.rejects.length, "more row")}`);
  });
  redraw();
}
