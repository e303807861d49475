import { column, identifier } from "../sql/sql.ts";
import { allNames, differs, isNewer, newestByKey, sameKey, type MergeInput } from "./merge.ts";

/**
 * A SELECT of all rows that the table has after an upsert without deleteMissing: what its MERGE would leave.
 * `held` is a SELECT of the rows that it has before, with unique keys.
 */
export function upsertedSelect(input: MergeInput, held: string): string {
  const { layout, columns } = input;
  const taken = `t."_held" IS NULL OR s."_sent" AND ${isNewer("s", "t")} AND (${differs(input)})`;
  const cells = allNames(columns).map((name) => {
    const [own, sent] = [column(name, "t"), column(name, "s")];
    // An update leaves the key as it is: equal keys may be of different text.
    const cell = layout.key.includes(name)
      ? `CASE WHEN t."_held" THEN ${own} ELSE ${sent} END`
      : `CASE WHEN ${taken} THEN ${sent} ELSE ${own} END`;
    return `${cell} AS ${identifier(name)}`;
  });
  return [
    `SELECT ${cells.join(", ")}`,
    `FROM (SELECT *, TRUE AS "_sent" FROM (${newestByKey(input)})) AS s`,
    `FULL JOIN (SELECT *, TRUE AS "_held" FROM (${held})) AS t ON ${sameKey(input, "t", "s")}`,
  ].join("\n");
}
