import { DuckDbStage } from "../../duckdb-engine/stage.ts";
import type { Stage } from "../../warehouse.ts";
import { TrinoStage, type StageShared } from "./stage.ts";

/**
 * Returns a stage with the rows of one that DuckDB's Iceberg writer has staged, which stays as it is. Rejects
 * do not follow: they go to the ledger, not to the table. The caller discards it.
 */
export async function stageFrom(shared: StageShared, stage: Stage): Promise<TrinoStage> {
  if (!(stage instanceof DuckDbStage)) throw new Error("a stage of another warehouse");
  const made = new TrinoStage(shared);
  made.rowsOffset = stage.rowsOffset;
  const { rows } = stage;
  try {
    for (const batch of rows.held) await made.rows.add(batch);
    await rows.export((columns, write) => {
      const staged = columns.map(({ name, type }) => ({ name, column: name, type }));
      return made.rows.take(staged, rows.count, write);
    });
    made.rows.count = rows.count;
    made.rows.sizeBytes = rows.sizeBytes;
    return made;
  } catch (thrown) {
    await made.discard();
    throw thrown;
  }
}
