import type { DuckDBConnection } from "@duckdb/node-api";
import { TributaryError } from "../../../errors.ts";
import { identifier } from "../../sql/sql.ts";
import { CATALOG } from "../attach.ts";
import { newCurrent } from "../catalog/commit.ts";
import type { NewColumn, NewPartitionField, TableChange, TableUpdate } from "../catalog/commit.ts";
import { CatalogError } from "../catalog/errors.ts";
import type { Snapshot, TableIdentifier, TableMetadata } from "../catalog/schemas.ts";
import { stateOf } from "../commit/bases.ts";
import type { IcebergContext } from "../commit/context.ts";
import { catalogCall, concurrentWrite, isMissing } from "../errors.ts";
import { keyNamesIn, summaryOf } from "../commit/known.ts";
import { newSnapshotId } from "../manifests/manifests.ts";
import { scratchName } from "../names.ts";
import type { WriteOptions } from "../session.ts";
import { KEYED_PROPERTIES } from "../tables/key-order.ts";

/** Size from which DuckDB begins another file. */
const FILE_BYTES = 128 * 1024 * 1024;

/** A table as it is before its rows are rewritten. */
export interface Rewrite {
  table: string;
  base: TableMetadata;
  /** The newest snapshot of `base`. */
  current: Snapshot;
  /** `replace`: the rows are the same. */
  operation: "replace" | "overwrite";
  /** Further properties of the new snapshot's summary. */
  summary?: Readonly<Record<string, string>>;
  /** Writes all rows into the table of this SQL name, within a transaction. */
  write: (connection: DuckDBConnection, into: string) => Promise<unknown>;
  writing?: WriteOptions;
  /** Before the commit: reads what was written. False: it is what the table has. */
  check?: (into: string) => Promise<boolean>;
  /**
   * Makes the manifest list of the new snapshot, if the table keeps files; `written`: the scratch table's
   * snapshot, unless no row was written.
   */
  merged?: (written: Snapshot | undefined, next: NewSnapshotIds) => Promise<Contents>;
}

export interface NewSnapshotIds {
  snapshotId: bigint;
  sequenceNumber: number;
}

/** The files of the new snapshot. */
export interface Contents {
  manifestList: string;
  /** Counts of the snapshot's summary. */
  summary: Readonly<Record<string, string>>;
}

/** What the new snapshot has. */
export interface Rewritten {
  snapshotId: bigint;
  rows: number;
  dataFiles: number;
}

/**
 * Gives a table other files. DuckDB's Iceberg writer cannot replace files: it only adds files and position
 * deletes. So it writes the rows into a scratch table of the same schema and partitions, whose files and
 * manifests go into the folders of the table (`write.data.path`, `write.metadata.path`). Then one commit
 * gives the table a snapshot with the scratch table's manifest list, on the base that was read. The scratch
 * table is dropped; its files stay, since they are in the table's folders. A failure leaves files without a
 * snapshot, which remove_orphan_files removes. undefined: the catalog gives the scratch table other ids for
 * columns or partitions, so its manifests would mean something else.
 */
export async function rewriteFiles(
  context: IcebergContext,
  rewrite: Rewrite,
): Promise<Rewritten | "unchanged" | undefined> {
  const { session, catalog } = context;
  const { table, base } = rewrite;
  const scratch: TableIdentifier = { namespace: context.namespace, name: scratchName(table) };
  await dropScratch(context, scratch);
  try {
    const made = await makeScratch(context, scratch, base);
    if (!isSameLayout(made, base)) return undefined;
    const into = [CATALOG, ...scratch.namespace, scratch.name].map(identifier).join(".");
    // A rewrite of a writer that has lost the table without knowing it has the same scratch table: of two
    // that write into it, one must fail, or the rows would be there twice.
    const part = { table: scratch, summary: {}, base: { snapshotId: undefined } };
    await session.write(
      [part],
      async (connection) => {
        await rewrite.write(connection, into);
        return {};
      },
      { ...rewrite.writing, wide: true },
    );
    if ((await rewrite.check?.(into)) === false) return "unchanged";
    const after = (await catalogCall(() => catalog.loadTable(scratch))).metadata;
    if (after.uuid !== made.uuid) throw concurrentWrite(table);
    const written = snapshotIn(after);
    const next = { snapshotId: newSnapshotId(), sequenceNumber: base.lastSequenceNumber + 1 };
    const contents = rewrite.merged ? await rewrite.merged(written, next) : contentsOf(written, rewrite.current);
    await replaceFiles(context, rewrite, next, contents);
    const total = (name: string): number => Number(written?.summary.get(name) ?? 0);
    return { ...next, rows: total("total-records"), dataFiles: total("total-data-files") };
  } finally {
    await dropScratch(context, scratch);
  }
}

/** Commits a snapshot with these files, on the base of the rewrite. */
export async function replaceFiles(
  context: IcebergContext,
  rewrite: Pick<Rewrite, "table" | "base" | "current" | "operation" | "summary">,
  next: NewSnapshotIds,
  contents: Contents,
): Promise<void> {
  try {
    await commitOnce(context, replacement(context, rewrite, next, contents), rewrite.table);
  } finally {
    context.appender.forget(context.tables.idOf(rewrite.table));
  }
}

export const snapshotIn = ({ snapshots, currentSnapshotId }: TableMetadata): Snapshot | undefined =>
  snapshots.find(({ id }) => id === currentSnapshotId);

/**
 * SQL of the rows of the newest snapshot in the table's columns. Where the schema has changed since that
 * snapshot, DuckDB's `AT` gives the columns of the snapshot's own schema: a name may mean another column
 * there. Without `AT` it may miss a snapshot that is younger than its clock: undefined. Another snapshot or
 * schema than that of `base` makes the commit of a rewrite fail.
 */
export function newestRows(
  { tables, clock }: Pick<IcebergContext, "tables" | "clock">,
  table: string,
  base: TableMetadata,
  current: Snapshot,
): string | undefined {
  const fields = current.schemaId === undefined ? undefined : base.schemas.get(current.schemaId);
  const name = tables.sqlOf(table);
  if (!fields || sameFields({ fields }, base)) return `${name} AT (VERSION => ${current.id})`;
  return clock.nowMs() > current.timestampMs ? name : undefined;
}

/** The columns by which the table's rows are sorted when they are written again. */
export function keyOf(base: TableMetadata): string[] {
  const names = new Set(base.fields.map(({ name }) => name));
  return keyNamesIn(stateOf(base).uniqueKey).filter((name) => names.has(name));
}

async function dropScratch({ catalog }: IcebergContext, scratch: TableIdentifier): Promise<void> {
  try {
    await catalog.dropTable(scratch, { purge: false });
  } catch (thrown) {
    if (!isMissing(thrown)) return catalogCall(() => Promise.reject(thrown as Error));
  }
}

/**
 * A catalog gives the columns of a new table new ids, from 1: so it begins with the table's first schema.
 */
async function makeScratch(
  { catalog, namespace, tables }: IcebergContext,
  scratch: TableIdentifier,
  base: TableMetadata,
): Promise<TableMetadata> {
  const first = base.schemas.get(Math.min(...base.schemas.keys())) ?? base.fields;
  const firstSpec = Math.min(...base.specs.keys());
  const properties = {
    "write.data.path": `${base.location}/data`,
    "write.metadata.path": `${base.location}/metadata`,
    ...(keyOf(base).length > 0 ? KEYED_PROPERTIES : {}),
    // DuckDB's files have 245,760 rows otherwise. It refuses the property for tables with partitions.
    ...(base.partitionFields.length > 0 ? {} : { "write.target-file-size-bytes": String(FILE_BYTES) }),
  };
  await catalogCall(() =>
    catalog.createTable(namespace, {
      name: scratch.name,
      columns: first.map(plain),
      partitioning: fieldsOf(base, firstSpec),
      properties,
    }),
  );
  const made = (await catalogCall(() => catalog.loadTable(scratch))).metadata;
  const specs = [...base.specs.keys()].filter((id) => id > firstSpec && id <= base.specId).toSorted((a, b) => a - b);
  const updates: TableUpdate[] = [
    ...(sameFields(made, base) ? [] : schemaOf(base)),
    ...specs.map((id): TableUpdate => ({ action: "add-spec", spec: { "spec-id": id, fields: fieldsOf(base, id) } })),
    ...(specs.length > 0 ? [{ action: "set-default-spec", "spec-id": base.specId } as const] : []),
  ];
  if (updates.length > 0) {
    const requirements = [{ type: "assert-table-uuid", uuid: made.uuid }] as const;
    await catalogCall(() => catalog.commitTable({ identifier: scratch, requirements, updates }));
  }
  const { metadata } = await catalogCall(() => catalog.loadTable(scratch));
  tables.noteTextIds(scratch.name, metadata);
  return metadata;
}

const schemaOf = (base: TableMetadata): TableUpdate[] => [
  {
    action: "add-schema",
    schema: { type: "struct", "schema-id": 1, fields: base.fields.map(plain) },
    "last-column-id": base.lastColumnId,
  },
  { action: "set-current-schema", "schema-id": -1 },
];

const plain = ({ id, name, type }: TableMetadata["fields"][number]): NewColumn => ({
  id,
  name,
  type: type as string,
  required: false,
});

const fieldsOf = ({ specs }: TableMetadata, id: number): NewPartitionField[] =>
  (specs.get(id) ?? []).map((field, index) => ({
    "source-id": field.sourceId,
    "field-id": field.id ?? 1000 + index,
    name: field.name,
    transform: field.transform,
  }));

const sameFields = (a: Pick<TableMetadata, "fields">, b: Pick<TableMetadata, "fields">): boolean =>
  JSON.stringify(a.fields.map(({ id, name, type }) => [id, name, type])) ===
  JSON.stringify(b.fields.map(({ id, name, type }) => [id, name, type]));

/** True if a manifest of one table means the same in the other. */
const isSameLayout = (a: TableMetadata, b: TableMetadata): boolean =>
  sameFields(a, b) &&
  a.specId === b.specId &&
  JSON.stringify(fieldsOf(a, a.specId)) === JSON.stringify(fieldsOf(b, b.specId));

/** Of a snapshot that has the rewritten files only. */
function contentsOf(written: Snapshot | undefined, current: Snapshot): Contents {
  if (written?.manifestList === undefined)
    throw new TributaryError("WAREHOUSE_FAILED", "the rewritten rows are missing");
  const total = (name: string): string => written.summary.get(name) ?? "0";
  return {
    manifestList: written.manifestList,
    summary: {
      "added-data-files": total("total-data-files"),
      "deleted-data-files": current.summary.get("total-data-files") ?? "0",
      "total-data-files": total("total-data-files"),
      "total-delete-files": "0",
      "total-position-deletes": "0",
      "total-records": total("total-records"),
    },
  };
}

/** The commit that gives the table the rows as they were rewritten. */
function replacement(
  { tables, clock }: IcebergContext,
  { table, base, current, operation, summary }: Parameters<typeof replaceFiles>[1],
  { snapshotId, sequenceNumber }: NewSnapshotIds,
  contents: Contents,
): TableChange {
  // The snapshot that says it may expire.
  const same = operation === "replace" ? summaryOf(stateOf(base)) : {};
  return {
    identifier: tables.idOf(table),
    requirements: [
      { type: "assert-table-uuid", uuid: base.uuid },
      { type: "assert-current-schema-id", "current-schema-id": base.schemaId },
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": current.id },
    ],
    updates: newCurrent({
      "snapshot-id": snapshotId,
      "parent-snapshot-id": current.id,
      "sequence-number": sequenceNumber,
      "timestamp-ms": Math.max(clock.nowMs(), current.timestampMs + 1),
      "manifest-list": contents.manifestList,
      summary: { ...same, ...summary, operation, ...contents.summary },
      "schema-id": base.schemaId,
    }),
  };
}

/** Sends the commit; if its answer is lost, the table shows what became of it. */
async function commitOnce({ catalog, tables }: IcebergContext, change: TableChange, table: string): Promise<void> {
  try {
    await catalog.commitTable(change);
  } catch (thrown) {
    const isUnsure = thrown instanceof CatalogError && thrown.outcome === "unknown";
    if (!isUnsure) return catalogCall(() => Promise.reject(thrown as Error));
    const now = await tables.load(table);
    const [added] = change.updates;
    const id = added?.action === "add-snapshot" ? added.snapshot["snapshot-id"] : undefined;
    if (!now?.snapshots.some((one) => one.id === id)) throw concurrentWrite(table);
  }
}
