import type { TableIdentifier } from "./schemas.ts";

/**
 * What must hold of a table for a commit to be applied; else the catalog answers 409. In the API's words.
 */
export type Requirement =
  | { type: "assert-create" }
  | { type: "assert-table-uuid"; uuid: string }
  /** null: the branch or tag must not exist. */
  | { type: "assert-ref-snapshot-id"; ref: string; "snapshot-id": bigint | null };

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
  | { action: "set-properties"; updates: Readonly<Record<string, string>> }
  | { action: "remove-properties"; removals: readonly string[] };

/** The change of one table, applied whole or not at all. */
export interface TableChange {
  identifier: TableIdentifier;
  requirements: readonly Requirement[];
  updates: readonly TableUpdate[];
}

/** A column of a new table. */
export interface NewColumn {
  id: number;
  name: string;
  /** Iceberg's name of a primitive type: `long`, `string`, `decimal(10,2)`. */
  type: string;
  required: boolean;
}

export interface NewTable {
  name: string;
  columns: readonly NewColumn[];
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
  /** For names in the statement that have no namespace. */
  defaultNamespace: readonly string[];
  atMs: number;
}

/** The body of a request that creates a table: format version 2, not partitioned. */
export const tableBody = ({ name, columns, properties = {}, location }: NewTable) => ({
  name,
  ...(location === undefined ? {} : { location }),
  schema: { type: "struct", "schema-id": 0, fields: columns },
  "partition-spec": { "spec-id": 0, fields: [] },
  "write-order": { "order-id": 0, fields: [] },
  properties: { "format-version": "2", ...properties },
});

export const viewBody = ({ name, columns, sql, dialect, defaultNamespace, atMs }: NewView) => ({
  name,
  schema: { type: "struct", "schema-id": 0, fields: columns },
  "view-version": {
    "version-id": 1,
    "schema-id": 0,
    "timestamp-ms": atMs,
    summary: {},
    representations: [{ type: "sql", sql, dialect }],
    "default-namespace": defaultNamespace,
  },
  properties: {},
});
