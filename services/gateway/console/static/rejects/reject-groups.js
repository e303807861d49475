/** Rejected rows grouped by reason and column, each group with a button that dismisses it. */
import { post, tablePath } from "../api.js";
import { count, dataTable, element, plural } from "../dom.js";
import { act } from "../table-parts.js";

const GROUPS_SHOWN = 100;

export function groupsTable(groups, { withTable }) {
  const columns = [
    ...(withTable ? ["Table"] : []),
    "Reason",
    "Column",
    { name: "Rows", numeric: true },
    { name: "Files", numeric: true },
    { name: "Example", wrap: true },
    "",
  ];
  const rows = groups.slice(0, GROUPS_SHOWN).map((group) => {
    const { table, reason, column, rows: number, files, example } = group;
    const link = element("a", { href: `#tables/${encodeURIComponent(table)}`, "data-key": `group ${table}` }, table);
    return [...(withTable ? [link] : []), reason, column ?? "", count(number), count(files), example, dismissButton(group)];
  });
  return dataTable("Causes of rejects", columns, rows, "No rejected rows.");
}

function dismissButton({ table, reason, column, rows }) {
  const what = `${plural(rows, "row")} of ${table} (${reason}${column === null ? "" : `, ${column}`})`;
  return act(
    "Dismiss",
    "dismissing the rows",
    async () => {
      const why = prompt(`Dismiss ${what}? Nobody will be asked to correct them. Reason for the record:`)?.trim();
      if (!why) return { text: "Nothing is dismissed: a dismissal needs a reason.", tone: "calm" };
      const body = { why, reason, ...(column === null ? {} : { column }) };
      let rowsDismissed = 0;
      for (let more = true; more;) {
        const answer = await post(`${tablePath(table)}/rejects/dismiss`, body);
        rowsDismissed += answer.rowsDismissed;
        more = answer.more;
      }
      return { text: `Dismissed ${plural(rowsDismissed, "row")} of ${table}.`, tone: "good" };
    },
    { "aria-label": `Dismiss ${what}` },
  );
}
