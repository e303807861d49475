import { mergeStatement, type MergeParts } from "./merge.ts";

/**
 * The same change in two statements, for an engine whose MERGE has one action on matches: first the DELETE,
 * then the MERGE, in one transaction. `source` is a table that holds the rows of the parts' source.
 */
export function dividedMerge(target: string, parts: MergeParts, source: string): string[] {
  const { on, when, deletes, onlyDelete } = parts;
  if (deletes === undefined || onlyDelete === undefined) throw new Error("this MERGE deletes nothing");
  const others = when.filter((clause) => !clause.endsWith("THEN DELETE"));
  const kept = `SELECT * FROM ${source} AS s WHERE (${onlyDelete}) IS NOT TRUE`;
  return [
    `DELETE FROM ${target} AS t USING ${source} AS s WHERE (${on}) AND (${deletes})`,
    ...(others.length > 0 ? [mergeStatement(target, { on, when: others, source: kept })] : []),
  ];
}
