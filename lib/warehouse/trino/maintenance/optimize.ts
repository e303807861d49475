import { trino } from "../dialect.ts";
import { isRetryable, messageOf } from "../../../errors.ts";
import type { PartitionField } from "../../../tables.ts";
import { partitionFields } from "../../table-layout.ts";
import { column, identifier, withAuditColumns, type SqlColumn } from "../../sql/sql.ts";
import type { TrinoClient } from "../client/client.ts";
import { runRepeatable } from "../client/repeat.ts";
import type { CommitContext } from "../commit/context.ts";
import { isTooManyPartitions } from "../client/errors.ts";
import { tableSql } from "../names.ts";
import type { MaintenanceOptions, MaintenanceResult, TableDescription } from "../../warehouse.ts";

/** `optimize` merges data files below this size. The number of larger files hardly affects a scan. */
export const SMALL_FILE_BYTES = 32 * 1024 * 1024;

/**
 * Approximate bytes that one statement rewrites. The resulting file is no small file, and the table's writer
 * waits seconds, not minutes.
 */
const SLICE_BYTES = 64 * 1024 * 1024;

/**
 * Maximum values of the slicing field in one statement. As partitions, they are fewer than a Trino writer
 * may hold open by default.
 */
const SLICE_PARTS_MAX = 50;

/** Maintenance may rewrite a whole table if it cannot divide the table. */
export const MAINTENANCE_TIMEOUT_MS = 60 * 60 * 1000;

/**
 * The smallest unit of a rewrite: the partitions that share a value of the slicing field, or the whole
 * table.
 */
interface Part {
  /** The value of the slicing field as text. Null is a value too. */
  value: string | null;
  dataFiles: number;
  deleteFiles: number;
  bytes: number;
  /** A merge of files up to this size rewrites about SLICE_BYTES. */
  fileBytesMax: number;
}

/** The parts that one statement rewrites. */
interface Slice {
  parts: Part[];
  thresholdBytes: number;
  /** Key of the part after which the next slice begins. It is undefined if there is no next slice. */
  next: string | undefined;
}

/**
 * Runs one step of `optimize`. It rewrites the next partitions, in the order of their values, that have
 * files to merge or delete files to apply. A step takes about SLICE_BYTES. It rewrites whole partitions,
 * never single files, because only then do their delete files go as well. If a step takes too long, the next
 * attempt takes half as many parts. Each later step takes one part more.
 */
export async function optimizeSlice(
  context: CommitContext,
  description: TableDescription,
  { cursor, signal }: MaintenanceOptions,
): Promise<MaintenanceResult> {
  const field = slicingField(description);
  const { table } = description;
  const partsMax = context.slicePartsMax.get(table) ?? SLICE_PARTS_MAX;
  const slice = nextSlice(await partsInNeed(context.client, description, field), cursor, partsMax);
  if (!slice) return { status: "completed", details: "nothing to merge" };
  const { parts, thresholdBytes, next } = slice;
  const where = field && condition(field, parts);
  const optimize = (condition: string): Promise<unknown> =>
    runRepeatable(
      context,
      `ALTER TABLE ${tableSql(table)} EXECUTE optimize(file_size_threshold => '${thresholdBytes}B')${condition}`,
      { timeoutMs: MAINTENANCE_TIMEOUT_MS, ...(signal ? { signal } : {}) },
    );
  const rest = next === undefined ? {} : { next };
  try {
    await optimize(where === undefined ? "" : ` WHERE ${where}`).catch((thrown: unknown) => {
      // Trino cannot apply the condition to files of an older partitioning.
      if (where === undefined || !/connector was not able to handle/.test(messageOf(thrown))) throw thrown;
      return optimize("");
    });
  } catch (thrown) {
    if (signal?.aborted && parts.length > 1) {
      context.slicePartsMax.set(table, Math.ceil(parts.length / 2));
      return { status: "divided", details: sumOf(parts), next: cursor ?? "" };
    }
    if (signal?.aborted) return { status: "given up", details: sumOf(parts), ...rest };
    if (isRetryable(thrown)) throw thrown;
    const remedy = isTooManyPartitions(thrown) ? "; raise iceberg.max-partitions-per-writer" : "";
    return { status: "failed", details: messageOf(thrown) + remedy, ...rest };
  }
  if (partsMax < SLICE_PARTS_MAX) context.slicePartsMax.set(table, partsMax + 1);
  return { status: "completed", details: sumOf(parts), ...rest };
}

function sumOf(parts: readonly Part[]): string {
  const sum = (of: (part: Part) => number): number => parts.reduce((total, part) => total + of(part), 0);
  return `${sum(({ dataFiles }) => dataFiles)} data files and ${sum(({ deleteFiles }) => deleteFiles)} delete files`;
}

/**
 * Returns the next slice. Parts are in the order of their values, NULL first. A part larger than a slice is
 * a slice on its own, with its smaller files first. The test needs the export.
 */
export function nextSlice(
  parts: readonly Part[],
  cursor: string | undefined,
  partsMax = SLICE_PARTS_MAX,
): Slice | undefined {
  const waiting = parts.map((part) => ({ part, key: keyOf(part) })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const left = cursor === undefined ? waiting : waiting.filter(({ key }) => key > cursor);
  const taken: typeof left = [];
  let bytes = 0;
  for (const one of left) {
    bytes += one.part.bytes;
    if (taken.length > 0 && (bytes > SLICE_BYTES || taken.length >= partsMax)) break;
    taken.push(one);
  }
  const [first] = taken;
  if (!first) return undefined;
  const divided = first.part.bytes > SLICE_BYTES && first.part.deleteFiles === 0;
  return {
    parts: taken.map(({ part }) => part),
    thresholdBytes: divided ? Math.min(SMALL_FILE_BYTES, first.part.fileBytesMax + 1) : SMALL_FILE_BYTES,
    next: taken.length < left.length ? taken.at(-1)!.key : undefined,
  };
}

/** Every key sorts after the empty text. */
const keyOf = ({ value }: Part): string => (value === null ? "-" : `=${value}`);

interface SlicingField extends PartitionField {
  type: SqlColumn["type"];
  /** Name of the field in `$files`. */
  name: string;
}

/**
 * Returns the first partitioning field whose values a condition can express in a form that Trino applies to
 * partitions.
 */
function slicingField(description: TableDescription): SlicingField | undefined {
  const types = new Map(withAuditColumns(description.columns).map(({ name, type }) => [name, type]));
  for (const field of partitionFields(layoutOf(description))) {
    const type = types.get(field.column);
    if (type === undefined || type === "TIMESTAMP WITH TIME ZONE") continue;
    if (field.transform === "identity") return { ...field, type, name: field.column };
    if (PERIODS.has(field.transform)) return { ...field, type, name: `${field.column}_${field.transform}` };
  }
  return undefined;
}

const layoutOf = ({ table, partitioning }: TableDescription) => ({
  table,
  partitioning,
  mode: "append" as const,
  key: [],
  deleteMissing: false,
});

/**
 * Maps a partition value to its period: the beginning of the period and the beginning of the next one, in
 * milliseconds since 1970 UTC.
 */
const PERIODS = new Map<string, (value: string) => [number, number]>(
  Object.entries({
    year: (value: string): [number, number] => [Date.UTC(1970 + Number(value), 0), Date.UTC(1971 + Number(value), 0)],
    month: (value: string): [number, number] => [Date.UTC(1970, Number(value)), Date.UTC(1970, Number(value) + 1)],
    day: (value: string): [number, number] => [Date.parse(value), Date.parse(value) + 86_400_000],
    hour: (value: string): [number, number] => [Number(value) * 3_600_000, (Number(value) + 1) * 3_600_000],
  }),
);

function condition(field: SlicingField, parts: readonly Part[]): string {
  const name = column(field.column);
  const values = parts.flatMap(({ value }) => (value === null ? [] : [value]));
  const period = PERIODS.get(field.transform);
  const one = (value: string): string => {
    if (!period) return `${name} = ${trino.literal(field.type, field.type === "BOOLEAN" ? value === "true" : value)}`;
    const [from, to] = period(value).map((ms) => trino.literal(field.type, new Date(ms)));
    return `(${name} >= ${from} AND ${name} < ${to})`;
  };
  return [...values.map(one), ...(values.length < parts.length ? [`${name} IS NULL`] : [])].join(" OR ");
}

/** Returns the parts that have a partition with at least two small files, or with a delete file. */
async function partsInNeed(
  client: TrinoClient,
  { table, partitioning }: TableDescription,
  field: SlicingField | undefined,
): Promise<Part[]> {
  const value = field ? `CAST(partition.${identifier(field.name)} AS VARCHAR)` : "CAST(NULL AS VARCHAR)";
  const { rows } = await client.run(
    `WITH partitions AS (${partitionsSelect(table, partitioning, value)})
     SELECT part, sum(small_files), sum(delete_files), sum(if(delete_files > 0, data_bytes, small_bytes)), max(file_bytes_max)
     FROM partitions WHERE small_files > 1 OR delete_files > 0 GROUP BY part`,
  );
  return rows.map(([part, dataFiles, deleteFiles, bytes, fileBytesMax]) => ({
    value: part as string | null,
    dataFiles: Number(dataFiles),
    deleteFiles: Number(deleteFiles),
    bytes: Number(bytes),
    fileBytesMax: Number(fileBytesMax ?? SMALL_FILE_BYTES),
  }));
}

/**
 * Returns a SELECT with one row per partition: its files by kind and size, and `part`, the value of the
 * expression.
 */
export function partitionsSelect(table: string, partitioning: readonly string[], part: string): string {
  // Only the files of a partitioned table have a column `partition`.
  const key = partitioning.length > 0 ? "partition" : "1";
  const size = "file_size_in_bytes";
  const small = `content = 0 AND ${size} < ${SMALL_FILE_BYTES}`;
  const running = `sum(${size}) OVER (PARTITION BY ${part}, content ORDER BY ${size} ROWS UNBOUNDED PRECEDING)`;
  return `SELECT part, count_if(content = 0) AS data_files, sum(bytes) FILTER (WHERE content = 0) AS data_bytes,
       count_if(content <> 0) AS delete_files, count_if(is_small) AS small_files, sum(bytes) FILTER (WHERE is_small) AS small_bytes,
       max(bytes) FILTER (WHERE is_small AND running_bytes <= ${SLICE_BYTES}) AS file_bytes_max
     FROM (
       SELECT ${part} AS part, ${key} AS key, content, ${size} AS bytes, ${small} AS is_small, ${running} AS running_bytes
       FROM ${tableSql(table, "$files")}
     ) GROUP BY part, key`;
}
