import { partitionFields } from "../../table-layout.ts";
import { identifier } from "../../sql/sql.ts";
import type { TableDescription } from "../../warehouse.ts";
import { GuardError } from "../tables/guards.ts";
import type { Session } from "../session.ts";

/**
 * Empty text as the value of a partition gives a data file a path with an empty folder name. Object stores
 * refuse the upload or change the path.
 * @throws GuardError that names the column
 */
export async function checkPartitionTexts(
  session: Session,
  { table, columns, partitioning }: TableDescription,
  { rows, wide }: { rows: string; wide: boolean },
): Promise<void> {
  const texts = new Set(columns.filter(({ type }) => type === "VARCHAR").map(({ name }) => name));
  const layout = { table, mode: "append", key: [], deleteMissing: false, partitioning } as const;
  const written = partitionFields(layout)
    .filter(({ transform, column }) => ["identity", "truncate"].includes(transform) && texts.has(column))
    .map(({ column }) => column);
  if (written.length === 0) return;
  const conditions = written.map((name) => `max(${identifier(name)} = '')`);
  const [found = []] = await session.rows(`SELECT ${conditions.join(", ")} FROM (${rows})`, { wide });
  const empty = written.find((_name, index) => found[index] === true);
  if (empty === undefined) return;
  throw new GuardError(
    "partition_text",
    "WAREHOUSE_FAILED",
    `table '${table}' is partitioned by '${empty}', and a row has empty text in it, for which object stores have no ` +
      `path: read empty text as NULL (\`nulls\` in the contract), partition by another column, or set ` +
      `TRIBUTARY_COMMIT_ENGINE=auto with a Trino`,
  );
}
