import { trino } from "./dialect.ts";
import { countsOf, INTERNAL_TABLES, ledgerRow, type InternalTable } from "../internal-tables.ts";
import { type LiteralValue } from "../sql/dialect.ts";
import { allEqual, columnList, identifier, type SqlColumn } from "../sql/sql.ts";
import { contentsStatement, recordedContents, recordedVersions, versionsStatement } from "../commit/versions.ts";
import { isMissing } from "./client/errors.ts";
import { runRepeatable } from "./client/repeat.ts";
import type { CommitContext } from "./commit/context.ts";
import { valuesSelect } from "./commit/row-selects.ts";
import { inlineOf, INLINE_CHARS_MAX, withRows } from "./commit/row-source.ts";
import { TrinoStage, type SpillingBuffer } from "./commit/stage.ts";
import { tableSql } from "./names.ts";
import { hasOwn } from "../../own.ts";
import type { RecordedContent, RecordedFile, RecordedVersions } from "../warehouse.ts";

type Row = Readonly<Record<string, LiteralValue>>;

/** One call of Warehouse.record. */
interface Entry {
  table: string;
  ended: readonly RecordedFile[];
  recordedAtMs: number;
  resolve: () => void;
  reject: (thrown: unknown) => void;
}

/**
 * The columns of `_rejected_rows` that come from the reject. The other columns have one value for the whole
 * file.
 */
const REJECT_COLUMNS = INTERNAL_TABLES._rejected_rows.filter(({ name }) =>
  ["source_row", "line", "column_name", "reason", "message", "raw"].includes(name),
);

const ROWS_A_STATEMENT = 1_000;
const SELECTS_A_STATEMENT = 40;

/**
 * Minimum time between the starts of two writes. A write costs Trino as much CPU as a small commit, so under
 * load each write takes more entries.
 */
const WRITE_GAP_MS = 500;

/**
 * Writes `_ingest_files` and `_rejected_rows`. Every INSERT makes a snapshot. Calls that arrive during a
 * write therefore wait and share the next write: one statement for all tables.
 */
export class TrinoLedger {
  readonly #context: CommitContext;
  #waiting: Entry[] = [];
  #running: Promise<void> | undefined;
  /** Monotonic time at which the next write may begin. */
  #nextMs = 0;

  constructor(context: CommitContext) {
    this.#context = context;
  }

  /** Implements Warehouse.record. */
  record(table: string, ended: Entry["ended"], recordedAtMs: number): Promise<void> {
    if (ended.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ table, ended, recordedAtMs, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Implements Warehouse.watermark. */
  async watermark(table: string): Promise<number | undefined> {
    const offset = (await this.#watermarks(`WHERE table_name = ${trino.stringLiteral(table)}`)).get(table);
    this.#context.recordedOffsets.read(table, offset);
    return offset;
  }

  /** Implements Warehouse.watermarks. */
  watermarks(): Promise<Map<string, number>> {
    return this.#watermarks("");
  }

  /** Implements Warehouse.recordedContents. */
  async recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    if (sourceFiles.length === 0) return [];
    await this.#context.tables.ensureInternal("_ingest_files");
    const select = contentsStatement(trino, tableSql("_ingest_files"), table, sourceFiles);
    return recordedContents((await this.#context.client.run(select)).rows);
  }

  /** Implements Warehouse.recordedVersions. */
  async recordedVersions(table: string): Promise<RecordedVersions> {
    await this.#context.tables.ensureInternal("_ingest_files");
    const select = versionsStatement(trino, tableSql("_ingest_files"), table);
    return recordedVersions((await this.#context.client.run(select)).rows);
  }

  /** Resolves when no call waits. */
  async drain(): Promise<void> {
    await this.#running;
  }

  async #watermarks(where: string): Promise<Map<string, number>> {
    const select = `SELECT table_name, max(source_offset) FROM ${tableSql("_ingest_files")} ${where} GROUP BY 1`;
    try {
      const { rows } = await this.#context.client.run(select);
      return new Map(rows.map(([table, offset]) => [table as string, Number(offset)]));
    } catch (thrown) {
      if (isMissing(thrown)) return new Map();
      throw thrown;
    }
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#context.clock.sleep(Math.max(0, this.#nextMs - this.#context.clock.monotonicMs()));
      this.#nextMs = this.#context.clock.monotonicMs() + WRITE_GAP_MS;
      const entries = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(entries);
        for (const entry of entries) entry.resolve();
      } catch (thrown) {
        for (const entry of entries) entry.reject(thrown);
      }
    }
    // Here, not in a later microtask: a caller that continues first would wait for a run that has ended.
    this.#running = undefined;
  }

  /** Writes the rejects first. If the ledger has a file's outcome, it then also has the file's rejects. */
  async #write(entries: readonly Entry[]): Promise<void> {
    const ended = entries.flatMap(({ table, recordedAtMs, ended: list }) =>
      list.map((one) => ({ ...one, table, recordedAtMs })),
    );
    const again = ended.filter(({ readAgain }) => readAgain);
    if (again.length > 0) await this.#removeRejects(again);
    await this.#writeRejects(ended);
    if (again.length > 0) await this.#replaceCounts(again);
    const decided = ended.some(({ decides }) => decides);
    const rows = new Map<string, Row>();
    for (const file of ended.filter((one) => !one.readAgain))
      rows.set(file.outcome.fileId, ledgerRow(file.table, file, file.recordedAtMs));
    await this.#context.tables.ensureInternal("_ingest_files");
    for (const some of chunks([...rows.values()], ROWS_A_STATEMENT)) {
      const select = valuesSelect(INTERNAL_TABLES._ingest_files, some);
      await addNew(this.#context, "_ingest_files", select, { files: some, whenMatched: decided ? REPLACE_HELD : "" });
    }
    for (const { table, outcome } of ended) this.#context.recordedOffsets.written(table, outcome.sourceOffset);
  }

  async #removeRejects(again: readonly Ended[]): Promise<void> {
    await this.#context.tables.ensureInternal("_rejected_rows");
    for (const some of chunks(again, ROWS_A_STATEMENT)) {
      const ids = trino.stringList(some.map(({ outcome }) => outcome.fileId));
      await runRepeatable(this.#context, `DELETE FROM ${tableSql("_rejected_rows")} WHERE file_id IN (${ids})`);
    }
  }

  async #replaceCounts(again: readonly Ended[]): Promise<void> {
    await this.#context.tables.ensureInternal("_ingest_files");
    for (const some of chunks(again.map(countsOf), ROWS_A_STATEMENT)) {
      const columns = INTERNAL_TABLES._ingest_files.filter(({ name }) => hasOwn(some[0]!, name));
      const sets = columns.filter(({ name }) => name !== "file_id").map(({ name }) => `${name} = s.${name}`);
      await runRepeatable(
        this.#context,
        `MERGE INTO ${tableSql("_ingest_files")} AS t USING (${valuesSelect(columns, some)}) AS s
         ON t.file_id = s.file_id WHEN MATCHED THEN UPDATE SET ${sets.join(", ")}`,
      );
    }
  }

  async #writeRejects(ended: readonly Ended[]): Promise<void> {
    const rejecting = ended.flatMap((one) =>
      one.stage instanceof TrinoStage && one.stage.rejectCount > 0 ? [{ ...one, rejects: one.stage.rejects }] : [],
    );
    if (rejecting.length === 0) return;
    await this.#context.tables.ensureInternal("_rejected_rows");
    const together: { file: Row; select: string }[] = [];
    const alone: typeof rejecting = [];
    for (const one of rejecting) {
      const charsMax = INLINE_CHARS_MAX / SELECTS_A_STATEMENT;
      const rows = one.rejects.spooled.length > 0 ? undefined : inlineOf(REJECT_COLUMNS, one.rejects.held, charsMax);
      if (rows === undefined) alone.push(one);
      else together.push({ file: { file_id: one.outcome.fileId }, select: rejectSelect(one, rows) });
    }
    for (const some of chunks(together, SELECTS_A_STATEMENT)) {
      const select = some.map((one) => one.select).join("\nUNION ALL\n");
      await addNew(this.#context, "_rejected_rows", select, { files: some.map((one) => one.file) });
    }
    for (const one of alone) {
      await withRows(this.#context, one.table, REJECT_COLUMNS, [one.rejects], ({ select }) =>
        addNew(this.#context, "_rejected_rows", rejectSelect(one, select), {
          files: [{ file_id: one.outcome.fileId }],
        }),
      );
    }
  }
}

interface Ended extends RecordedFile {
  table: string;
  recordedAtMs: number;
}

function rejectSelect({ table, outcome, recordedAtMs }: Ended & { rejects: SpillingBuffer }, rows: string): string {
  const constants: Row = {
    table_name: table,
    source_file: outcome.sourceFile,
    source_offset: outcome.sourceOffset,
    file_id: outcome.fileId,
    rejected_at: new Date(recordedAtMs),
  };
  const list = INTERNAL_TABLES._rejected_rows.map(({ name, type }) =>
    hasOwn(constants, name)
      ? `${trino.literal(type, constants[name]!)} AS ${identifier(name)}`
      : `r.${identifier(name)} AS ${identifier(name)}`,
  );
  return `SELECT ${list.join(", ")} FROM (${rows}) AS r`;
}

/** The outcome of a decision replaces that of the held file. */
const REPLACE_HELD = `WHEN MATCHED AND t."status" = 'held' AND s."status" <> 'held' THEN UPDATE SET ${INTERNAL_TABLES._ingest_files
  .map(({ name }) => `${identifier(name)} = s.${identifier(name)}`)
  .join(", ")}
     `;

const KEYS = { _ingest_files: ["file_id"], _rejected_rows: ["file_id", "source_row"] } as const;

/**
 * Adds the rows of `select` whose key the table does not have. `whenMatched`: what happens to the others. All
 * rows belong to the file ids of `files`. A MERGE, because Iceberg refuses it if another process has added
 * rows of these files meanwhile; the repetition then finds them. Two INSERTs at once would both succeed.
 */
async function addNew(
  context: CommitContext,
  table: "_ingest_files" | "_rejected_rows",
  select: string,
  { files, whenMatched = "" }: { files: readonly Row[]; whenMatched?: string },
): Promise<void> {
  const ids = [...new Set(files.map((file) => trino.stringLiteral(String(file["file_id"]))))].join(", ");
  const names = INTERNAL_TABLES[table].map(({ name }) => name);
  await runRepeatable(
    context,
    `MERGE INTO ${tableSql(table)} AS t USING (${select}) AS s
     ON ${allEqual(KEYS[table], "t", "s")} AND t."file_id" IN (${ids})
     ${whenMatched}WHEN NOT MATCHED THEN INSERT (${namesOf(table)}) VALUES (${columnList(names, "s")})`,
  );
}

/** Every INSERT names its columns: a table that has more of them takes the rows all the same. */
const namesOf = (table: InternalTable): string => columnList(INTERNAL_TABLES[table].map(({ name }) => name));

/** Appends rows to an internal table. It splits a long list into several statements. */
export async function appendRows(context: CommitContext, table: InternalTable, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await context.tables.ensureInternal(table);
  const columns: readonly SqlColumn[] = INTERNAL_TABLES[table];
  for (const some of chunks(rows, ROWS_A_STATEMENT)) {
    await context.client.run(`INSERT INTO ${tableSql(table)} (${namesOf(table)}) ${valuesSelect(columns, some)}`);
  }
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}
