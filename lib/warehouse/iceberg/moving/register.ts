import { systemClock } from "../../../clock.ts";
import { messageOf, TributaryError } from "../../../errors.ts";
import type { SqlColumn } from "../../sql/sql.ts";
import { nameOf, type RestCatalog } from "../catalog/rest-catalog.ts";
import type { TableIdentifier, TableMetadata } from "../catalog/schemas.ts";
import { checkRegister } from "../doctor/checks/resources.ts";
import { Scratch } from "../doctor/scratch.ts";
import { isMissing } from "../errors.ts";
import { columnTypeIn } from "../tables/types.ts";

/** A table of another catalog, as the engine of that catalog reads it. */
export interface FoundTable {
  /** The newest metadata file. */
  metadataLocation: string;
  snapshots: readonly { id: string; manifestList: string }[];
  currentSnapshotId: string | undefined;
  columns: readonly SqlColumn[];
  rows: number;
}

/** The catalog that the tables come from. Nothing in it changes. */
export interface TableSource {
  /** The names of its tables. */
  names(): Promise<string[]>;
  read(name: string): Promise<FoundTable>;
  /** Counts the rows of the table in the REST catalog; undefined if the engine does not reach it. */
  countMoved(name: string): Promise<number | undefined>;
  /** Makes the table in the REST catalog with a copy of its rows. Its snapshots stay behind. */
  copy(name: string): Promise<void>;
}

export interface MoveOptions {
  namespace: readonly string[];
  /** Default: all. */
  tables?: readonly string[] | undefined;
  /** Changes nothing. */
  dryRun: boolean;
  /** Copies the rows, for a catalog that forgets the snapshots of a registered table. */
  copy: boolean;
  onTable?: (name: string) => void;
}

export interface Move {
  table: string;
  /** `refused`: the REST catalog does not have the table. */
  status: "would move" | "moved" | "already there" | "refused";
  rows: number;
  snapshots: number;
  metadataLocation: string;
  details: string;
}

/**
 * Moves tables to a REST catalog, one after the other, and checks each: its snapshots, columns and rows. What
 * differs is taken out of the REST catalog again, without its files, and the move ends there.
 * @throws CATALOG_UNSUPPORTED if the catalog forgets the snapshots of a table that it registers: asked of a
 *   scratch table before the first move. CatalogError
 */
export async function moveTables(source: TableSource, catalog: RestCatalog, options: MoveOptions): Promise<Move[]> {
  const names = await wanted(source, options.tables);
  if (!options.dryRun) {
    if (!options.copy) await assertKeepsHistory(catalog);
    await ensureNamespace(catalog, options.namespace);
  }
  const moves: Move[] = [];
  for (const name of names) {
    options.onTable?.(name);
    const found = await source.read(name);
    const move = await moveTable({ source, catalog, options }, name, found);
    const { rows, snapshots, metadataLocation } = found;
    moves.push({ table: name, ...move, rows, snapshots: snapshots.length, metadataLocation });
    if (move.status === "refused") break;
  }
  return moves;
}

async function wanted(source: TableSource, tables: readonly string[] | undefined): Promise<readonly string[]> {
  const all = (await source.names()).toSorted();
  const missing = tables?.find((name) => !all.includes(name));
  if (missing !== undefined)
    throw new TributaryError("NOT_FOUND", `the catalog to move from has no table '${missing}'`);
  return tables ?? all;
}

async function assertKeepsHistory(catalog: RestCatalog): Promise<void> {
  const signal = new AbortController().signal;
  const scratch = await Scratch.open({ catalog, lossy: catalog, clock: systemClock, signal });
  try {
    const { status, details } = await checkRegister(scratch);
    if (status === "yes") return;
    const why = `the catalog cannot take a table with its history: ${details}. Nothing was moved`;
    throw new TributaryError("CATALOG_UNSUPPORTED", `${why}; --copy copies the rows instead, without their history`);
  } finally {
    await scratch.close();
  }
}

async function ensureNamespace(catalog: RestCatalog, namespace: readonly string[]): Promise<void> {
  const existing = await catalog.listNamespaces();
  if (!existing.some((one) => one.join("\n") === namespace.join("\n"))) await catalog.createNamespace(namespace);
}

interface Context {
  source: TableSource;
  catalog: RestCatalog;
  options: MoveOptions;
}

async function moveTable(
  { source, catalog, options }: Context,
  name: string,
  found: FoundTable,
): Promise<Pick<Move, "status" | "details">> {
  const table = { namespace: options.namespace, name };
  const there = await load(catalog, table);
  if (there) {
    if (!options.copy && differences(found, there).length === 0) return { status: "already there", details: "" };
    const details = `${nameOf(table)} exists there: drop it if it is not needed, or move to another namespace`;
    return { status: "refused", details };
  }
  const how = options.copy ? "by a copy of its rows" : "by its metadata file";
  if (options.dryRun) return { status: "would move", details: how };
  try {
    if (options.copy) await source.copy(name);
    else await catalog.registerTable(table, found.metadataLocation);
    // Not the answer to the registration: a catalog may show another table later.
    const faults = await check({ source, catalog, options }, name, found);
    if (faults.length === 0) return { status: "moved", details: how };
    await catalog.dropTable(table, { purge: options.copy });
    return { status: "refused", details: `${faults.join("; ")}. It was taken out of the catalog again` };
  } catch (thrown) {
    const left = await load(catalog, table);
    if (left) await catalog.dropTable(table, { purge: options.copy });
    return { status: "refused", details: messageOf(thrown) };
  }
}

async function check({ source, catalog, options }: Context, name: string, before: FoundTable): Promise<string[]> {
  const there = await load(catalog, { namespace: options.namespace, name });
  if (!there) return ["the catalog does not have the table afterwards"];
  const now = await source.read(name);
  const counted = await source.countMoved(name);
  return [
    ...(now.metadataLocation === before.metadataLocation
      ? []
      : ["somebody wrote to it meanwhile: stop the committers"]),
    ...differences(before, there, options),
    ...(counted === undefined || counted === before.rows ? [] : [`it has ${counted} rows in place of ${before.rows}`]),
  ];
}

async function load(catalog: RestCatalog, table: TableIdentifier): Promise<TableMetadata | undefined> {
  try {
    return (await catalog.loadTable(table)).metadata;
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/** How the table in the REST catalog differs. Equal manifest lists are equal rows. */
function differences(found: FoundTable, there: TableMetadata, { copy = false }: { copy?: boolean } = {}): string[] {
  const columns = there.fields.map(({ name, type }) => ({ name, type: columnTypeIn(type) ?? JSON.stringify(type) }));
  const shape = (some: readonly { name: string; type: string }[]): string =>
    some.map(({ name, type }) => `${name} ${type}`).join(", ");
  const schema = shape(columns) === shape(found.columns) ? [] : [`its columns are ${shape(columns)}`];
  if (copy) return schema;
  const has = new Map(there.snapshots.map(({ id, manifestList }) => [String(id), manifestList]));
  const lost = found.snapshots.filter(({ id, manifestList }) => has.get(id) !== manifestList);
  const current = there.currentSnapshotId?.toString();
  return [
    ...schema,
    ...(lost.length === 0
      ? []
      : [`the catalog does not keep ${lost.length} of its ${found.snapshots.length} snapshots`]),
    ...(current === found.currentSnapshotId ? [] : [`its newest snapshot is ${current ?? "none"}`]),
  ];
}
