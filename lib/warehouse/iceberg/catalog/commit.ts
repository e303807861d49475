import type { TableIdentifier } from "./schemas.ts";

/**
 * What must hold of a table for a commit to be applied; else the catalog answers 409. In the API's words.
 */
export type Requirement =
  | { type: "assert-create" }
  | { type: "assert-table-uuid"; uuid: string }
  | { type: "assert-current-schema-id"; "current-schema-id": number }
  | { type: "assert-default-spec-id"; "default-spec-id": number }
  | { type: "assert-default-sort-order-id"; "default-sort-order-id": number }
  /** null: the branch or tag must not exist. */
  | { type: "assert-ref-snapshot-id"; ref: string; "snapshot-id": bigint | null };

/** A field of a partition spec. */
export interface NewPartitionField {
  "source-id": number;
  "field-id": number;
  name: string;
  /** `identity`, `month`, `bucket[16]`. */
  transform: string;
}

export interface NewSnapshot {
  "snapshot-id": bigint;
  "parent-snapshot-id"?: bigint;
  "sequence-number": number;
  "timestamp-ms": number;
  "manifest-list": string;
  /** `operation` and counts; other names are ours. */
  summary: Readonly<Record<string, string>>;
  "schema-id"?: number;
}

/** What a commit does to a table. In the words of the API. */
export type TableUpdate =
  | { action: "add-snapshot"; snapshot: NewSnapshot }
  | { action: "set-snapshot-ref"; "ref-name": string; type: "branch" | "tag"; "snapshot-id": bigint }
  | { action: "remove-snapshot-ref"; "ref-name": string }
  | { action: "remove-snapshots"; "snapshot-ids": readonly bigint[] }
  | { action: "add-schema"; schema: NewSchema; "last-column-id": number }
  /** -1: the schema that the commit adds. */
  | { action: "set-current-schema"; "schema-id": number }
  | { action: "add-spec"; spec: NewSpec }
  /** -1: the spec that the commit adds. */
  | { action: "set-default-spec"; "spec-id": number }
  | { action: "set-properties"; updates: Readonly<Record<string, string>> }
  | { action: "remove-properties"; removals: readonly string[] };

/** The change of one table, applied whole or not at all. */
export interface TableChange {
  identifier: TableIdentifier;
  requirements: readonly Requirement[];
  updates: readonly TableUpdate[];
}

/** The updates that make a new snapshot the current one. */
export const newCurrent = (snapshot: NewSnapshot): TableUpdate[] => [
  { action: "add-snapshot", snapshot },
  { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": snapshot["snapshot-id"] },
];

/** A column of a new table. */
export interface NewColumn {
  id: number;
  name: string;
  /** Iceberg's name of a primitive type: `long`, `string`, `decimal(10,2)`. */
  type: string;
  required: boolean;
  /** A comment. Some catalogs drop an empty one. */
  doc?: string;
}

export interface NewSchema {
  type: "struct";
  "schema-id": number;
  fields: readonly NewColumn[];
}

export interface NewSpec {
  "spec-id": number;
  fields: readonly NewPartitionField[];
}

export interface NewTable {
  name: string;
  columns: readonly NewColumn[];
  /** Default: not partitioned. */
  partitioning?: readonly NewPartitionField[];
  properties?: Readonly<Record<string, string>>;
  /** Default: the catalog chooses. */
  location?: string;
}

/** A view of one SQL statement. */
export interface NewView {
  name: string;
  columns: readonly NewColumn[];
  sql: string;
  /** `trino`, `spark`, `duckdb`. */
  dialect: string;
  /** The same statement in other dialects. */
  alsoIn?: ReadonlyMap<string, string>;
  properties?: Readonly<Record<string, string>>;
  /** For names in the statement that have no namespace. */
  defaultNamespace: readonly string[];
  /** For names in the statement that have no catalog: an engine's name of this catalog. */
  defaultCatalog?: string;
  atMs: number;
}

/** The body of a request that creates a table of format version 2. */
export const tableBody = ({ name, columns, partitioning = [], properties = {}, location }: NewTable) => ({
  name,
  ...(location === undefined ? {} : { location }),
  schema: { type: "struct", "schema-id": 0, fields: columns },
  "partition-spec": { "spec-id": 0, fields: partitioning },
  "write-order": { "order-id": 0, fields: [] },
  properties: { "format-version": "2", ...properties },
});

/** The body of a request that creates a view. */
export const viewBody = (view: NewView) => ({
  name: view.name,
  schema: viewSchemaOf(view),
  "view-version": viewVersion(view, 1),
  properties: view.properties ?? {},
});

/** A view that exists. */
export interface ExistingView {
  uuid: string;
  versionId: number;
  /** SQL by dialect. */
  statements: ReadonlyMap<string, string>;
  /** Columns by the schema's id. */
  schemas: ReadonlyMap<number, readonly Pick<NewColumn, "name" | "type">[]>;
}

/**
 * The body of a request that gives a view another statement, in one change. A catalog refuses to add a
 * schema or a version that the view has.
 */
export function viewReplacement(view: NewView, { uuid, versionId, statements, schemas }: ExistingView) {
  const wanted = new Map([[view.dialect, view.sql], ...(view.alsoIn ?? [])]);
  const isSame = wanted.size === statements.size && [...wanted].every(([name, sql]) => statements.get(name) === sql);
  const known = [...schemas].find(([, columns]) => shapeOf(columns) === shapeOf(view.columns))?.[0];
  const addSchema = { action: "add-schema", schema: viewSchemaOf(view), "last-column-id": view.columns.length };
  const addVersion = [
    { action: "add-view-version", "view-version": { ...viewVersion(view, versionId + 1), "schema-id": known ?? -1 } },
    { action: "set-current-view-version", "view-version-id": -1 },
  ];
  return {
    requirements: [{ type: "assert-view-uuid", uuid }],
    updates: [
      ...(known === undefined ? [addSchema] : []),
      ...(isSame && known !== undefined ? [] : addVersion),
      { action: "set-properties", updates: view.properties ?? {} },
    ],
  };
}

const shapeOf = (columns: readonly Pick<NewColumn, "name" | "type">[]): string =>
  JSON.stringify(columns.map(({ name, type }) => [name, type]));

const viewSchemaOf = ({ columns }: NewView) => ({ type: "struct", "schema-id": 0, fields: columns });

const viewVersion = (
  { sql, dialect, alsoIn = new Map(), defaultNamespace, defaultCatalog, atMs }: NewView,
  versionId: number,
) => ({
  "version-id": versionId,
  "schema-id": 0,
  "timestamp-ms": atMs,
  summary: {},
  representations: [[dialect, sql] as const, ...alsoIn].map(([name, text]) => ({
    type: "sql",
    sql: text,
    dialect: name,
  })),
  "default-namespace": defaultNamespace,
  ...(defaultCatalog === undefined ? {} : { "default-catalog": defaultCatalog }),
});
