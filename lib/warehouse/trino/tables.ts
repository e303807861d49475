import { trino } from "./dialect.ts";
import { AUDIT_COLUMNS, columnTypeOf, evolve, type ColumnDefinition } from "../../columns.ts";
import { TributaryError } from "../../errors.ts";
import { ADDED_COLUMNS, INTERNAL_TABLES, type InternalTable } from "../internal-tables.ts";
import { checkLayout, partitionFields } from "../table-layout.ts";
import { identifier, withAuditColumns } from "../sql/sql.ts";
import type { TrinoClient } from "./client/client.ts";
import { isMissing } from "./client/errors.ts";
import { logicalName, tableSql } from "./names.ts";
import type { TableDescription, TableLayout } from "../warehouse.ts";

const auditNames = new Set<string>(AUDIT_COLUMNS.map(({ name }) => name));

/**
 * Reads and changes the columns and partitioning of tables. It caches each table's description, because only
 * the table's one writer changes it. Call `forget` after a failure.
 */
export class TrinoTables {
  readonly #client: TrinoClient;
  readonly #schema: string;
  readonly #known = new Map<string, TableDescription>();
  readonly #made = new Map<string, Promise<unknown>>();

  constructor(client: TrinoClient, schema: string) {
    this.#client = client;
    this.#schema = schema;
  }

  forget(table: string): void {
    this.#known.delete(table);
    this.#made.delete(table);
  }

  /** Returns the names of all tables in order. They include our internal tables, but no views. */
  async names(): Promise<string[]> {
    const { rows } = await this.#client.run(
      `SELECT table_name FROM information_schema.tables
       WHERE table_schema = ${trino.stringLiteral(this.#schema)} AND table_type = 'BASE TABLE'`,
    );
    return rows.map(([name]) => logicalName(String(name))).sort();
  }

  /** Returns the cached description if there is one. */
  async describe(table: string): Promise<TableDescription | undefined> {
    return this.#known.get(table) ?? this.inspect(table);
  }

  /** Reads the current description and caches it. */
  async inspect(table: string): Promise<TableDescription | undefined> {
    try {
      const [columns, created] = await Promise.all([
        this.#client.run(`SHOW COLUMNS FROM ${tableSql(table)}`),
        this.#client.run(`SHOW CREATE TABLE ${tableSql(table)}`),
      ]);
      const description = {
        table,
        columns: columns.rows.flatMap(([name, type, , comment]) =>
          auditNames.has(String(name)) ? [] : [definitionOf(table, String(name), String(type), comment)],
        ),
        partitioning: partitioningIn(String(created.rows[0]?.[0])),
      };
      this.#known.set(table, description);
      return description;
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
      this.#known.delete(table);
      return undefined;
    }
  }

  /** Returns the folder of the table's files, or undefined if it does not exist. */
  async locationOf(table: string): Promise<string | undefined> {
    try {
      const { rows } = await this.#client.run(`SHOW CREATE TABLE ${tableSql(table)}`);
      return /\blocation = '((?:[^']|'')*)'/.exec(String(rows[0]?.[0]))?.[1]?.replaceAll("''", "'");
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw thrown;
    }
  }

  /** Implements Warehouse.ensureTable. */
  async ensure(layout: TableLayout, wanted: readonly ColumnDefinition[]): Promise<TableDescription> {
    const { table } = layout;
    const existing = (await this.describe(table)) ?? (await this.#create(layout, wanted));
    const { columns, added, widened } = evolve(table, existing.columns, wanted);
    checkLayout(layout, columns);
    const repartition = layout.partitioning.length > 0 && !samePartitioning(layout, existing.partitioning);
    if (added.length === 0 && widened.length === 0 && !repartition) return existing;
    try {
      let last = existing.columns.at(-1);
      for (const column of added) {
        await this.#addColumn(table, column, last);
        last = column;
      }
      for (const column of widened) await this.#widen(table, column);
      if (repartition) await this.partition(layout);
    } finally {
      this.forget(table);
    }
    const description = {
      table,
      columns,
      partitioning: repartition ? [...layout.partitioning] : existing.partitioning,
    };
    this.#known.set(table, description);
    return description;
  }

  /** Sets the layout's partitioning for rows that later statements write. */
  async partition(layout: TableLayout): Promise<void> {
    const fields = partitionTexts(layout);
    await this.#client.run(`ALTER TABLE ${tableSql(layout.table)} SET PROPERTIES partitioning = ${arrayText(fields)}`);
  }

  /** Creates an internal table, unless this process knows that the table exists. */
  async ensureInternal(table: InternalTable): Promise<void> {
    let made = this.#made.get(table);
    if (!made) {
      made = this.#ensureSchema().then(() => this.#createInternal(table));
      this.#made.set(table, made);
      made.catch(() => this.#made.delete(table));
    }
    await made;
  }

  async #createInternal(table: InternalTable): Promise<void> {
    await this.#client.run(
      `CREATE TABLE IF NOT EXISTS ${tableSql(table)} (${trino.columnDefinitions(INTERNAL_TABLES[table])})
       WITH (format = 'PARQUET')`,
    );
    const added = INTERNAL_TABLES[table].filter(({ name }) => ADDED_COLUMNS[table]?.includes(name));
    for (const column of added) {
      const definition = trino.columnDefinitions([column]);
      await this.#client.run(`ALTER TABLE ${tableSql(table)} ADD COLUMN IF NOT EXISTS ${definition}`);
    }
  }

  async #create(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription> {
    checkLayout(layout, columns);
    await this.#ensureSchema();
    const headers = new Map(columns.map(({ name, header }) => [name, header]));
    const definitions = withAuditColumns(columns).map(({ name, type }) => {
      const header = headers.get(name);
      const comment = header === undefined ? "" : ` COMMENT ${commentLiteral(header)}`;
      return `${identifier(name)} ${trino.typeName(type)}${comment}`;
    });
    await this.#client.run(
      `CREATE TABLE IF NOT EXISTS ${tableSql(layout.table)} (${definitions.join(", ")})
       WITH (format = 'PARQUET'${partitioningText(layout)})`,
    );
    const made = await this.inspect(layout.table);
    if (!made)
      throw new TributaryError("WAREHOUSE_CONFLICT", `table '${layout.table}' vanished right after it was made`);
    return made;
  }

  async #addColumn(table: string, column: ColumnDefinition, last: ColumnDefinition | undefined): Promise<void> {
    const place = last ? ` AFTER ${identifier(last.name)}` : " FIRST";
    await this.#client.run(
      `ALTER TABLE ${tableSql(table)} ADD COLUMN IF NOT EXISTS ${identifier(column.name)} ${trino.typeName(column.type)}
       COMMENT ${commentLiteral(column.header)}${place}`,
    );
  }

  /** Stores the headers of columns as their comments. */
  async writeHeaders(table: string, columns: readonly ColumnDefinition[]): Promise<void> {
    for (const { name, header } of columns) {
      if (header === name) continue;
      await this.#client.run(`COMMENT ON COLUMN ${tableSql(table)}.${identifier(name)} IS ${commentLiteral(header)}`);
    }
    this.forget(table);
  }

  async #widen(table: string, column: ColumnDefinition): Promise<void> {
    await this.#client.run(
      `ALTER TABLE ${tableSql(table)} ALTER COLUMN ${identifier(column.name)} SET DATA TYPE ${trino.typeName(column.type)}`,
    );
  }

  async #ensureSchema(): Promise<void> {
    let made = this.#made.get("");
    if (!made) {
      made = this.#client.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(this.#schema)}`);
      this.#made.set("", made);
      made.catch(() => this.#made.delete(""));
    }
    await made;
  }
}

function definitionOf(table: string, name: string, type: string, comment: unknown): ColumnDefinition {
  const known = columnTypeOf(type);
  if (!known) throw new TributaryError("WAREHOUSE_FAILED", `table '${table}', column '${name}': of type ${type}`);
  const header = typeof comment === "string" && comment !== "" ? comment : name;
  return { name, type: known, header: header === EMPTY_HEADER ? "" : header };
}

/** Iceberg drops an empty comment. This comment is not empty, but it is also invisible. */
const EMPTY_HEADER = "\u200b";

const commentLiteral = (header: string): string => trino.stringLiteral(header.replaceAll("\0", "") || EMPTY_HEADER);

const arrayText = (fields: readonly string[]): string =>
  `ARRAY[${fields.map((field) => trino.stringLiteral(field)).join(", ")}]`;

/** Returns the layout's partitioning in Trino's spelling. */
export function partitionTexts(layout: TableLayout): string[] {
  return partitionFields(layout).map(({ transform, column, argument }) => {
    const name = /^[a-z_][a-z0-9_]*$/.test(column) ? column : identifier(column);
    if (transform === "identity") return name;
    return argument === undefined ? `${transform}(${name})` : `${transform}(${name}, ${argument})`;
  });
}

/** The table property for the layout's partitioning, after another one; empty without partitioning. */
export function partitioningText(layout: TableLayout): string {
  const partitions = partitionTexts(layout);
  return partitions.length === 0 ? "" : `, partitioning = ${arrayText(partitions)}`;
}

function samePartitioning(layout: TableLayout, existing: readonly string[]): boolean {
  return partitionTexts(layout).join() === partitionTexts({ ...layout, partitioning: existing }).join();
}

/** Returns the partitioning in the output of SHOW CREATE TABLE. */
export function partitioningIn(createTable: string): string[] {
  const list = /\bpartitioning = ARRAY\[((?:'(?:[^']|'')*'(?:,\s*)?)*)\]/.exec(createTable)?.[1] ?? "";
  return [...list.matchAll(/'((?:[^']|'')*)'/g)].map((match) => match[1]!.replaceAll("''", "'").replaceAll('"', ""));
}
