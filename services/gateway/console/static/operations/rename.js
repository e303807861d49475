/** Rename of a table: first what it means, then the rename itself, followed until its end. */
import { post, tablePath } from "../api.js";
import { confirmation, said } from "./card.js";
import { announce, button, element, guarded, plural, size, waiting } from "../dom.js";

/** What is shown of the rename outlives the redrawing of the page. */
let shown = { table: "", place: element("div") };

/** The part of a table's page that gives it another name. */
export function renamePart(table) {
  if (shown.table !== table) shown = { table, place: element("div") };
  const { place } = shown;
  const show = button("Rename this table …", () => ask(place, table), { class: "quiet", "data-key": "rename ask" });
  return element("section", { class: "part", "aria-label": "Rename" }, show, place);
}

const request = (table, body) => post(`${tablePath(table)}/rename`, body);

function ask(place, table) {
  const name = element("input", { type: "text", maxlength: "128", "data-key": "rename name" });
  const result = element("div");
  place.replaceChildren(
    element(
      "div",
      { class: "card pad" },
      element("label", {}, "New name ", name),
      button("What would happen?", () => plan(result, table, name.value.trim()), { "data-key": "rename plan" }),
      result,
    ),
  );
  name.focus();
}

async function plan(place, table, to) {
  place.replaceChildren(waiting("counting …"));
  await guarded(place, async () => {
    const { status, rows, files, bytes, copied, failed, checkedBy, problems } = await request(table, { to, dryRun: true });
    if (status === "done") return say(table, to);
    const begun = status === "pending" && `It has begun: ${copied} of ${plural(files, "file version")} are in ${to}.`;
    const lines = [
      begun,
      `${plural(rows, "row")}: ${plural(files, "file version")}, ${size(bytes)}, are read again under the name ${to}. ` +
        `Then ${table} goes. Let everything send to ${to} first: what comes to ${table} afterwards starts a new table.`,
      failed.length > 0 && `Files that failed stay behind: ${failed.join(", ")}.`,
      checkedBy.length > 0 && `Checks of these tables name ${table}: ${checkedBy.join(", ")}.`,
      ...problems.map((problem) => `It would be refused: ${problem}.`),
    ];
    place.replaceChildren(...confirmation(lines, "rename", "Rename", (given) => rename(place, table, to, given)));
  });
}

async function rename(place, table, to, given) {
  place.replaceChildren(waiting("renaming the table …"));
  await guarded(place, async () => {
    const body = { to, confirm: table, ...given };
    // The gateway answers after some seconds, also before the end.
    for (;;) {
      const { status, copied, files } = await request(table, body);
      if (status === "done") return say(table, to);
      const far = `${copied} of ${plural(files, "file version")} are in ${to}. It continues if you leave this page.`;
      place.replaceChildren(waiting(far));
      if (!place.isConnected) return;
    }
  });
}

/** Goes to the page of the new name, and says it there. */
function say(table, to) {
  const text = `Renamed: ${table} is ${to} now.`;
  shown = { table: to, place: element("div", {}, said("good", text)) };
  location.hash = `#tables/${to}`;
  announce(text);
}
