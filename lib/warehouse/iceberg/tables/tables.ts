import { evolve, type ColumnDefinition } from "../../../columns.ts";
import { TributaryError } from "../../../errors.ts";
import { ADDED_COLUMNS, INTERNAL_TABLES, type InternalTable } from "../../internal-tables.ts";
import { checkLayout } from "../../table-layout.ts";
import { identifier, withAuditColumns, type SqlColumn } from "../../sql/sql.ts";
import type { TableDescription, TableLayout } from "../../warehouse.ts";
import { CATALOG } from "../attach.ts";
import type { NewColumn, NewTable, TableUpdate } from "../catalog/commit.ts";
import type { RestCatalog } from "../catalog/rest-catalog.ts";
import type { TableIdentifier, TableMetadata } from "../catalog/schemas.ts";
import { catalogCall, isMissing } from "../errors.ts";
import { TABLE_PROPERTIES } from "../gate/writer-settings.ts";
import { checkWritable } from "./guards.ts";
import { KEYED_PROPERTIES } from "./key-order.ts";
import { isScratch, logicalName, physicalName } from "../names.ts";
import { descriptionOf, isAudit, newColumn, newPartitioning, samePartitioning } from "./types.ts";

/**
 * Columns and partitions of tables, by the catalog's own requests: DuckDB knows neither comments, which hold
 * the headers, nor the place of a new column. A change of columns and partitions is one commit.
 */
export class IcebergTables {
  readonly #catalog: RestCatalog;
  readonly #namespace: readonly string[];
  readonly #known = new Map<string, TableDescription>();
  /** Of the tables that were read. */
  readonly #folders = new Set<string>();
  /** Ids of text columns by the table's name in the catalog. */
  readonly #textIds = new Map<string, ReadonlySet<number>>();

  constructor(catalog: RestCatalog, namespace: readonly string[]) {
    this.#catalog = catalog;
    this.#namespace = namespace;
  }

  idOf(table: string): TableIdentifier {
    return { namespace: this.#namespace, name: physicalName(table) };
  }

  /** The table's name in SQL, quoted and qualified. */
  sqlOf(table: string): string {
    return [CATALOG, ...this.#namespace, physicalName(table)].map(identifier).join(".");
  }

  /** Forgets the cached description: after a failure it may be out of date. */
  forget(table: string): void {
    this.#known.delete(table);
  }

  /** The names of all tables that the port can name, in order; views are none. */
  async names(): Promise<string[]> {
    const found = await catalogCall(() => this.#catalog.listTables(this.#namespace));
    return found.flatMap(({ name }) => (isScratch(name) ? [] : (logicalName(name) ?? []))).toSorted();
  }

  /** The table as the catalog has it now; undefined if it does not exist. */
  async load(table: string): Promise<TableMetadata | undefined> {
    try {
      const { metadata } = await this.#catalog.loadTable(this.idOf(table));
      this.#folders.add(folderOf(metadata.location));
      this.noteTextIds(physicalName(table), metadata);
      return metadata;
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      return catalogCall(() => Promise.reject(thrown as Error));
    }
  }

  /** The top folders of the files of all tables that were read: their buckets. */
  folders(): string[] {
    return [...this.#folders].toSorted();
  }

  noteTextIds(physical: string, metadata: TableMetadata): void {
    this.#textIds.set(physical, textIdsOf(metadata));
  }

  /** Ids of the text columns that a table had when it was read; `physical` is its name in the catalog. */
  textIds(physical: string): ReadonlySet<number> {
    return this.#textIds.get(physical) ?? new Set();
  }

  /** The description as the catalog has it now. */
  async described(table: string): Promise<TableDescription | undefined> {
    this.forget(table);
    return this.describe(table);
  }

  /** The cached description if there is one. */
  async describe(table: string): Promise<TableDescription | undefined> {
    const known = this.#known.get(table);
    if (known) return known;
    const metadata = await this.load(table);
    return metadata && this.#keep(descriptionOf(table, metadata));
  }

  /** Implements Warehouse.ensureTable. */
  async ensure(layout: TableLayout, wanted: readonly ColumnDefinition[]): Promise<TableDescription> {
    const { table } = layout;
    const known = await this.describe(table);
    if (!known) {
      checkLayout(layout, wanted);
      await this.#create(newTable(physicalName(table), layout, wanted));
    }
    const existing = known ?? (await this.#made(table));
    if (!changesOf(layout, existing, wanted)) return existing;
    this.forget(table);
    const metadata = await this.load(table);
    if (!metadata) throw vanished(table);
    checkWritable(table, metadata);
    // Somebody else may have changed it since it was described.
    const change = changesOf(layout, descriptionOf(table, metadata), wanted);
    if (change) {
      const [schema, fields] = schemaUpdates(metadata, change.columns);
      const spec = change.repartition ? specUpdates(layout, metadata, fields) : [];
      await this.#commit(table, metadata, [...schema, ...spec]);
    }
    return this.#made(table);
  }

  /** Sets the headers of columns that a writer has added without them, and the layout's partitioning. */
  async complete(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<void> {
    const metadata = await this.load(layout.table);
    if (!metadata) throw vanished(layout.table);
    const [schema, fields] = schemaUpdates(metadata, columns);
    await this.#commit(layout.table, metadata, [...schema, ...specUpdates(layout, metadata, fields)]);
    this.forget(layout.table);
  }

  /** Lets later commits write rows without partitions. */
  async unpartition(layout: TableLayout): Promise<void> {
    const metadata = await this.load(layout.table);
    if (!metadata || metadata.partitionFields.length === 0) return;
    await this.#commit(layout.table, metadata, specUpdates({ ...layout, partitioning: [] }, metadata, []));
    this.forget(layout.table);
  }

  /** Creates the internal tables that are missing, and the columns that tables of earlier releases lack. */
  async ensureInternal(): Promise<void> {
    const names = Object.keys(INTERNAL_TABLES) as InternalTable[];
    await Promise.all(names.map((name) => this.#ensureInternal(name)));
  }

  async #ensureInternal(table: InternalTable): Promise<void> {
    const columns: readonly SqlColumn[] = INTERNAL_TABLES[table];
    const existing = await this.load(table);
    if (!existing) {
      const named = columns.map((column, index) => newColumn(column, index + 1));
      await this.#create({ name: physicalName(table), columns: named });
      await this.load(table);
      return;
    }
    const has = new Set(existing.fields.map(({ name }) => name));
    const added = columns.filter(({ name }) => ADDED_COLUMNS[table]?.includes(name) && !has.has(name));
    if (added.length === 0) return;
    const kept = existing.fields.map(keptColumn);
    const next = added.map((column, index) => newColumn(column, existing.lastColumnId + 1 + index));
    await this.#commit(table, existing, schemaUpdatesTo(existing, [...kept, ...next]));
  }

  async #create(table: NewTable): Promise<void> {
    try {
      await this.#catalog.createTable(this.#namespace, table);
    } catch (thrown) {
      const code = (thrown as { code?: string }).code;
      if (code !== "CATALOG_CONFLICT") await catalogCall(() => Promise.reject(thrown as Error));
    }
  }

  async #commit(table: string, metadata: TableMetadata, updates: readonly TableUpdate[]): Promise<void> {
    if (updates.length === 0) return;
    const requirements = [
      { type: "assert-table-uuid", uuid: metadata.uuid },
      { type: "assert-current-schema-id", "current-schema-id": metadata.schemaId },
    ] as const;
    await catalogCall(() => this.#catalog.commitTable({ identifier: this.idOf(table), requirements, updates }));
  }

  async #made(table: string): Promise<TableDescription> {
    const metadata = await this.load(table);
    if (!metadata) throw vanished(table);
    return this.#keep(descriptionOf(table, metadata));
  }

  #keep(description: TableDescription): TableDescription {
    this.#known.set(description.table, description);
    return description;
  }
}

/** What a table lacks for files of these columns. undefined: nothing. */
function changesOf(
  layout: TableLayout,
  existing: TableDescription,
  wanted: readonly ColumnDefinition[],
): { columns: ColumnDefinition[]; repartition: boolean } | undefined {
  const { columns, added, widened } = evolve(layout.table, existing.columns, wanted);
  checkLayout(layout, columns);
  const repartition = layout.partitioning.length > 0 && !samePartitioning(layout, existing.partitioning);
  return added.length > 0 || widened.length > 0 || repartition ? { columns, repartition } : undefined;
}

/** `s3://bucket/` of a location in it. */
const folderOf = (location: string): string => /^\w+:\/\/[^/]+\//.exec(`${location}/`)?.[0] ?? `${location}/`;

const textIdsOf = ({ schemas }: TableMetadata): ReadonlySet<number> =>
  new Set([...schemas.values()].flat().flatMap(({ id, type }) => (type === "string" ? [id] : [])));

const vanished = (table: string): TributaryError =>
  new TributaryError("WAREHOUSE_CONFLICT", `table '${table}' vanished right after it was made`);

function newTable(name: string, layout: TableLayout, columns: readonly ColumnDefinition[]): NewTable {
  const headers = new Map(columns.map((one) => [one.name, one.header]));
  const fields = withAuditColumns(columns).map((column, index) =>
    newColumn(column, index + 1, headers.get(column.name)),
  );
  const partitioning = newPartitioning(layout, fields, 999);
  // Other DuckDBs refuse to write to a table that has partitions and these properties.
  if (partitioning.length > 0) return { name, columns: fields, partitioning };
  const properties = { ...TABLE_PROPERTIES, ...(layout.mode === "upsert" ? KEYED_PROPERTIES : {}) };
  return { name, columns: fields, partitioning, properties };
}

const keptColumn = ({ id, name, type, doc }: TableMetadata["fields"][number]): NewColumn => ({
  id,
  name,
  type: type as string,
  required: false,
  ...(typeof doc === "string" ? { doc } : {}),
});

/** The updates after which the table has these file columns, and the fields that it then has. */
function schemaUpdates(
  metadata: TableMetadata,
  columns: readonly ColumnDefinition[],
): [TableUpdate[], readonly NewColumn[]] {
  const existing = new Map(metadata.fields.map((field) => [field.name, field]));
  let lastId = metadata.lastColumnId;
  const fields = columns.map((column) => {
    const before = existing.get(column.name);
    return newColumn(column, before?.id ?? (lastId += 1), column.header);
  });
  const all = [...fields, ...metadata.fields.filter(isAudit).map(keptColumn)];
  const isSame = JSON.stringify(all) === JSON.stringify(metadata.fields.map(keptColumn));
  return [isSame ? [] : schemaUpdatesTo(metadata, all), all];
}

function schemaUpdatesTo(metadata: TableMetadata, fields: readonly NewColumn[]): TableUpdate[] {
  const lastId = Math.max(metadata.lastColumnId, ...fields.map(({ id }) => id));
  return [
    {
      action: "add-schema",
      schema: { type: "struct", "schema-id": metadata.schemaId + 1, fields },
      "last-column-id": lastId,
    },
    { action: "set-current-schema", "schema-id": -1 },
  ];
}

function specUpdates(layout: TableLayout, metadata: TableMetadata, fields: readonly NewColumn[]): TableUpdate[] {
  const before = metadata.partitionFields;
  const wanted = newPartitioning(layout, fields, metadata.lastPartitionId);
  const isSame =
    before.length === wanted.length &&
    before.every(
      (field, at) => field.sourceId === wanted[at]!["source-id"] && field.transform === wanted[at]!.transform,
    );
  if (isSame) return [];
  return [
    { action: "add-spec", spec: { "spec-id": metadata.lastSpecId + 1, fields: wanted } },
    { action: "set-default-spec", "spec-id": -1 },
  ];
}
