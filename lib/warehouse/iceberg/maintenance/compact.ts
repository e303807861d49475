import { TributaryError } from "../../../errors.ts";
import { duckdb } from "../../duckdb-engine/dialect.ts";
import { columnList } from "../../sql/sql.ts";
import type { MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import type { Snapshot, TableMetadata } from "../catalog/schemas.ts";
import type { IcebergContext } from "../commit/context.ts";
import { checkWritable } from "../tables/guards.ts";
import { orderBy } from "../tables/key-order.ts";
import { ForeignMetadataError } from "../manifests/avro-file.ts";
import { filesOf } from "./files.ts";
import { newSnapshotId, readManifests, type Entry, type Manifest } from "../manifests/manifests.ts";
import { isFew, writeFew } from "./few-rows.ts";
import { mergeSnapshot, type FilesLike } from "./merge-snapshot.ts";
import { firstStep, groupsOf, SMALL_BYTES, type Step } from "./plan.ts";
import { keyOf, newestRows, replaceFiles, rewriteFiles, snapshotIn } from "./rewrite-files.ts";
import type { Contents, NewSnapshotIds, Rewrite, Rewritten } from "./rewrite-files.ts";

/** The files of one step are at most so large, or it is one file. DuckDB rewrites 64 MiB in a few seconds. */
const STEP_BYTES_MAX = 64 * 1024 * 1024;
/** A step of fewer bytes is not divided: what takes long is not its rows. */
const STEP_BYTES_MIN = 4 * 1024 * 1024;

/** Where a compaction is. */
interface Cursor {
  /** Only files of the snapshots up to here are compacted, so that it ends beside a steady writer. */
  sequenceNumber: number;
  bytesMax: number;
}

/**
 * Implements `optimize`: one step rewrites some small data files, and data files that position deletes refer
 * to. All other files stay.
 */
export async function compactTable(
  context: IcebergContext,
  table: string,
  { cursor, signal }: Pick<MaintenanceOptions, "cursor" | "signal">,
): Promise<MaintenanceResult> {
  const { tables, buckets, session } = context;
  const base = await tables.load(table);
  const current = base && snapshotIn(base);
  if (!base || !current) return { status: "completed", details: "the table is empty" };
  checkWritable(table, base);
  const at = cursorOf(cursor) ?? { sequenceNumber: base.lastSequenceNumber, bytesMax: STEP_BYTES_MAX };
  const rows = newestRows(context, table, base, current);
  if (rows === undefined) return { status: "completed", details: "the clock is behind the table's newest snapshot" };
  const compaction = { table, base, current, rows, signal };
  try {
    // DuckDB would take the name for the column.
    if (base.fields.some(({ name }) => name.toLowerCase() === "filename"))
      throw new ForeignMetadataError("a column has the name of DuckDB's column of file names");
    const manifests = await readManifests(buckets, current);
    const deletes = await deletesIn(context, manifests);
    const step = stepOf(manifests, deletes, at);
    if (step.files.length === 0) return { status: "completed", details: "nothing to merge" };
    return await compactStep(context, compaction, { step, at, manifests, deletes });
  } catch (thrown) {
    if (!(thrown instanceof ForeignMetadataError)) throw thrown;
    const files = await filesOf(session, [current]);
    const small = files.filter(({ isData, bytes }) => isData && bytes < SMALL_BYTES);
    const partitions = new Set(small.map(({ partition }) => partition));
    const isDue = files.some(({ isData }) => !isData) || small.length > partitions.size;
    return isDue ? compactWhole(context, compaction) : { status: "completed", details: "nothing to merge" };
  }
}

const cursorOf = (text: string | undefined): Cursor | undefined => {
  const [, sequenceNumber, bytesMax] = /^(\d+) (\d+)$/.exec(text ?? "") ?? [];
  return sequenceNumber === undefined
    ? undefined
    : { sequenceNumber: Number(sequenceNumber), bytesMax: Number(bytesMax) };
};

const cursorText = ({ sequenceNumber, bytesMax }: Cursor): string => `${sequenceNumber} ${bytesMax}`;

/** A table that is compacted. */
interface Compaction {
  table: string;
  base: TableMetadata;
  current: Snapshot;
  /** SQL of its rows. */
  rows: string;
  signal: AbortSignal | undefined;
}

/** The paths of the data files that each file of position deletes refers to. */
type Deletes = ReadonlyMap<Entry, ReadonlySet<string>>;

async function deletesIn({ session }: IcebergContext, manifests: readonly Manifest[]): Promise<Deletes> {
  const found = new Map<Entry, ReadonlySet<string>>();
  for (const one of manifests.flatMap(({ entries }) => entries.filter(({ isData }) => !isData))) {
    const read = async (): Promise<string[]> => {
      const select = `SELECT DISTINCT file_path FROM read_parquet(${duckdb.stringLiteral(one.path)})`;
      return (await session.rows(select)).map(([path]) => String(path));
    };
    found.set(one, new Set(one.deletesFrom === undefined ? await read() : [one.deletesFrom]));
  }
  return found;
}

function stepOf(manifests: readonly Manifest[], deletes: Deletes, { sequenceNumber, bytesMax }: Cursor): Step<Entry> {
  const deletedFrom = new Set([...deletes.values()].flatMap((paths) => [...paths]));
  const files = manifests.flatMap(({ entries }) =>
    entries.filter((one) => one.isData && one.sequenceNumber <= BigInt(sequenceNumber)),
  );
  return firstStep(
    groupsOf(files, ({ path }) => deletedFrom.has(path)),
    bytesMax,
  );
}

interface CompactionStep {
  step: Step<Entry>;
  at: Cursor;
  manifests: readonly Manifest[];
  deletes: Deletes;
}

async function compactStep(
  context: IcebergContext,
  compaction: Compaction,
  { step, at, manifests, deletes }: CompactionStep,
): Promise<MaintenanceResult> {
  const { table, signal } = compaction;
  const paths = new Set(step.files.map(({ path }) => path));
  const details = `${step.files.length} files rewritten`;
  const gone = new Set([...step.files, ...deletesThatGo(manifests, deletes, paths)]);
  const merged = (rows: number, added: readonly FilesLike[], ids: NewSnapshotIds): Promise<Contents> => {
    checkRows(rows, step.files, deletes);
    const place = { ...ids, folder: `${compaction.base.location}/metadata`, parentId: compaction.current.id };
    return mergeSnapshot({ buckets: context.buckets, manifests, gone, added }, place);
  };
  const select = selectOf(compaction, `WHERE filename IN (${duckdb.stringList([...paths])})`);
  try {
    const few = isFew(step.files) ? await writeFew(context, compaction.base, select) : undefined;
    const rewritten = few
      ? await replaceWith(context, compaction, (ids) => merged(few.rows, few.added, ids))
      : await rewriteRows(context, compaction, select, async (written, ids) => {
          const added = written ? await readManifests(context.buckets, written) : [];
          return merged(Number(written?.summary.get("total-records") ?? 0), added, ids);
        });
    if (!rewritten) return CANNOT;
    return { status: "completed", details, ...(step.isLast ? {} : { next: cursorText(at) }) };
  } catch (thrown) {
    const bytes = step.files.reduce((sum, one) => sum + one.bytes, 0);
    if (!signal?.aborted || step.files.length === 1 || bytes < STEP_BYTES_MIN) throw thrown;
    context.bases.forget(table);
    return { status: "divided", details, next: cursorText({ ...at, bytesMax: Math.ceil(bytes / 2) }) };
  }
}

/** Deletes that refer to no data file that stays. */
function deletesThatGo(manifests: readonly Manifest[], deletes: Deletes, gone: ReadonlySet<string>): Entry[] {
  const data = manifests.flatMap(({ entries }) => entries.filter(({ isData }) => isData));
  const kept = new Set(data.map(({ path }) => path).filter((path) => !gone.has(path)));
  return [...deletes].filter(([, paths]) => ![...paths].some((path) => kept.has(path))).map(([one]) => one);
}

/** @throws ForeignMetadataError if DuckDB has read other rows than those of the files */
function checkRows(written: number, files: readonly Entry[], deletes: Deletes): void {
  const paths = new Set(files.map(({ path }) => path));
  const sum = (entries: readonly Entry[]): number => entries.reduce((total, { rows }) => total + rows, 0);
  const inFiles = sum(files);
  const deleted = sum([...deletes].filter(([, of]) => [...of].some((path) => paths.has(path))).map(([one]) => one));
  if (written > inFiles || written < inFiles - deleted)
    throw new ForeignMetadataError(`${written} rows were read from files of ${inFiles} with ${deleted} deletes`);
}

const CANNOT: MaintenanceResult = {
  status: "not_applicable",
  details: "the catalog gives columns or partitions other ids, so that no rows can be rewritten: optimize with Trino",
};

/** Rewrites all files: those of a table that another engine has written in a way that is not known here. */
async function compactWhole(context: IcebergContext, compaction: Compaction): Promise<MaintenanceResult> {
  const rewritten = await rewriteRows(context, compaction, selectOf(compaction, ""));
  return rewritten ? { status: "completed", details: "all files rewritten" } : CANNOT;
}

const namesOf = ({ fields }: TableMetadata): string => columnList(fields.map(({ name }) => name));

/** The table's rows as they are written again. */
const selectOf = ({ base, rows }: Compaction, where: string): string =>
  `SELECT ${namesOf(base)} FROM ${rows} ${where}${orderBy(keyOf(base))}`;

async function rewriteRows(
  context: IcebergContext,
  compaction: Compaction,
  select: string,
  merged?: Rewrite["merged"],
): Promise<Rewritten | undefined> {
  const { table, base, current, signal } = compaction;
  const rewritten = await rewriteFiles(context, {
    ...{ table, base, current, operation: "replace", writing: { signal } },
    write: (connection, into) => connection.run(`INSERT INTO ${into} (${namesOf(base)}) ${select}`),
    ...(merged ? { merged } : {}),
  });
  if (rewritten === undefined || rewritten === "unchanged") return undefined;
  remember(context, compaction, rewritten);
  return rewritten;
}

/** Gives the table files that are written already. */
async function replaceWith(
  context: IcebergContext,
  compaction: Compaction,
  contents: (ids: NewSnapshotIds) => Promise<Contents>,
): Promise<NewSnapshotIds> {
  const { base, signal } = compaction;
  if (signal?.aborted) throw new TributaryError("WAREHOUSE_TIMEOUT", "the compaction was interrupted");
  const ids = { snapshotId: newSnapshotId(), sequenceNumber: base.lastSequenceNumber + 1 };
  await replaceFiles(context, { ...compaction, operation: "replace" }, ids, await contents(ids));
  remember(context, compaction, ids);
  return ids;
}

/** The base of this writer's next commit, unless somebody else may have written what was compacted. */
function remember(
  { bases }: IcebergContext,
  { table, base, current }: Compaction,
  { snapshotId }: Pick<Rewritten, "snapshotId">,
): void {
  const known = bases.get(table);
  const isKnown = known?.uuid === base.uuid && known.snapshotId === current.id;
  if (isKnown) bases.set(table, { ...known, snapshotId });
  else bases.forget(table);
}
