import type { RowBatch } from "../../../messages/generated.ts";
import type { SqlColumn } from "../../sql/sql.ts";
import { groupBatches } from "../../staging/batch-groups.ts";
import type { SpilledRows } from "../../staging/parquet-spill.ts";
import type { CommitContext } from "./context.ts";
import { broughtColumns, emptySelect, inlineSelect, stagedSelect } from "./row-selects.ts";
import type { StageTables } from "./stage-tables.ts";
import type { SpillingBuffer, StagingArea } from "./stage.ts";

/**
 * Maximum characters of rows in a statement's text. Trino's query.max-length is 1,000,000 characters by
 * default, which includes the rest of the statement.
 */
export const INLINE_CHARS_MAX = 900_000;

/** The rows that a statement reads. */
export interface RowSource {
  select: string;
  strategy: "inline" | "staged" | "none";
  /** The spill that holds all rows, if there is exactly one. */
  alone?: SpilledRows;
}

/**
 * Calls `use` with a SELECT of all rows in the row buffers `hoards`, with the target's columns. The
 * statement's own text holds the rows if it is short enough. Otherwise Parquet files hold them. The rows
 * that are still in memory then go into one file for each set of columns, however many row buffers hold
 * them.
 */
export async function withRows<T>(
  context: Pick<CommitContext, "staging" | "stageTables" | "newPrefix" | "runInBackground">,
  table: string,
  target: readonly SqlColumn[],
  hoards: readonly SpillingBuffer[],
  use: (rows: RowSource) => Promise<T>,
): Promise<T> {
  for (const hoard of hoards) if (hoard.spooled.length > 0) await hoard.spool();
  const held = hoards.flatMap((hoard) => hoard.held);
  const spooled = hoards.flatMap((hoard) => hoard.spooled);
  if (spooled.length === 0) {
    const inline = inlineOf(target, held);
    if (inline !== undefined) return use({ select: inline, strategy: held.length === 0 ? "none" : "inline" });
  }
  const together: SpilledRows[] = [];
  const made: StagedFile[] = [];
  try {
    for (const { columns, batches } of groupBatches(held)) {
      const rows = context.staging.spool.open(columns);
      together.push(rows);
      await rows.add(batches);
    }
    const all = [...spooled, ...together];
    const selects = await Promise.all(
      all.map(async (rows) => {
        const file = new StagedFile(context, context.newPrefix(table));
        made.push(file);
        const brought = broughtColumns(target, rows.columns);
        return stagedSelect(target, brought, await file.table(rows, brought));
      }),
    );
    const alone = all.length === 1 ? { alone: all[0]! } : {};
    return await use({ select: selects.join("\nUNION ALL\n"), strategy: "staged", ...alone });
  } finally {
    for (const rows of together) await rows.drop();
    for (const file of made) context.runInBackground(file.remove());
  }
}

/** One staged Parquet file in its own folder, and the stage table over it. */
class StagedFile {
  readonly #area: StagingArea;
  readonly #tables: StageTables;
  readonly #folder: string;
  #table: string | undefined;

  constructor({ staging, stageTables }: Pick<CommitContext, "staging" | "stageTables">, folder: string) {
    this.#area = staging.area;
    this.#tables = stageTables;
    this.#folder = folder;
  }

  async table(rows: SpilledRows, columns: readonly SqlColumn[]): Promise<string> {
    await rows.store(this.#area.blobs, `${this.#folder}/rows.parquet`, columns);
    this.#table = await this.#tables.create(columns, `${this.#area.location}/${this.#folder}/`);
    return this.#table;
  }

  async remove(): Promise<void> {
    if (this.#table !== undefined) await this.#tables.drop(this.#table);
    await this.#area.blobs.delete(`${this.#folder}/rows.parquet`);
  }
}

/** Returns the rows as a SELECT in text, or undefined if there are too many. */
export function inlineOf(
  target: readonly SqlColumn[],
  batches: readonly RowBatch[],
  charsMax = INLINE_CHARS_MAX,
): string | undefined {
  const selects: string[] = [];
  let left = charsMax;
  for (const group of groupBatches(batches)) {
    const select = inlineSelect(target, group, left);
    if (select === undefined) return undefined;
    left -= select.length;
    selects.push(select);
  }
  return selects.length === 0 ? emptySelect(target) : selects.join("\nUNION ALL\n");
}
