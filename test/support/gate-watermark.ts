import { ancestry, type TableState } from "../../lib/warehouse/iceberg/gate/table-state.ts";

/** The newest of the writer's commits in a table. */
export interface Watermark {
  readonly snapshotId: string;
  /** The properties that the transaction gave, with those of the gate. */
  readonly summary: ReadonlyMap<string, string>;
}

/**
 * The newest snapshot of the main branch whose summary has this property, since others commit too
 * (maintenance, Trino). undefined: none, or it has expired.
 */
export function watermarkOf(table: TableState, property: string): Watermark | undefined {
  for (const { id, summary } of ancestry(table, "main")) if (summary.has(property)) return { snapshotId: id, summary };
  return undefined;
}
