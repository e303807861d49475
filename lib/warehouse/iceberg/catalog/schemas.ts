import { z } from "zod";

/**
 * The answers of an Iceberg REST catalog, checked and renamed. Only what Tributary reads is checked: a field
 * that the specification adds changes nothing here.
 */

/** A whole number of 64 bits, as `parseJson` gives it. */
const long = z.union([z.int(), z.string().regex(/^-?\d{1,19}$/)]).transform((read) => BigInt(read));

/** Names from a catalog never index an object. */
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((read): ReadonlyMap<string, string> => new Map(Object.entries(read ?? {})));

/** Some catalogs put numbers and flags among the texts of their configuration. */
const looseTexts = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((read): ReadonlyMap<string, string> => {
    const known = Object.entries(read ?? {}).filter(([, one]) => ["string", "number", "boolean"].includes(typeof one));
    return new Map(known.map(([name, one]) => [name, String(one)]));
  });

export const configSchema = z.object({
  defaults: looseTexts,
  overrides: looseTexts,
  endpoints: z.array(z.string()).nullish(),
  "idempotency-key-lifetime": z.string().nullish(),
});

const snapshotSchema = z
  .object({
    "snapshot-id": long,
    "parent-snapshot-id": long.nullish(),
    "sequence-number": z.int().nullish(),
    "timestamp-ms": z.int(),
    "manifest-list": z.string().nullish(),
    summary: texts,
    "schema-id": z.int().nullish(),
  })
  .transform((read) => ({
    id: read["snapshot-id"],
    parentId: read["parent-snapshot-id"] ?? undefined,
    sequenceNumber: read["sequence-number"] ?? 0,
    timestampMs: read["timestamp-ms"],
    manifestList: read["manifest-list"] ?? undefined,
    summary: read.summary,
    /** Of the schema with which it was written. */
    schemaId: read["schema-id"] ?? undefined,
  }));

/** One version of a table. */
export type Snapshot = z.output<typeof snapshotSchema>;

const refSchema = z
  .object({ "snapshot-id": long, type: z.string() })
  .transform((read) => ({ snapshotId: read["snapshot-id"], type: read.type }));

const fieldSchema = z.object({
  id: z.int(),
  name: z.string(),
  /** A nested type is an object. Some catalogs write `decimal(10, 2)`. */
  type: z.unknown().transform((read) => (typeof read === "string" ? read.replaceAll(" ", "") : read)),
  doc: z.string().nullish(),
});

/** A column of a table's schema, in the words of the specification. */
export type SchemaField = z.output<typeof fieldSchema>;

const schemaSchema = z.object({ "schema-id": z.int(), fields: z.array(fieldSchema) });

const partitionFieldSchema = z
  .object({
    "source-id": z.int(),
    "field-id": z.int().nullish(),
    name: z.string(),
    transform: z.string(),
  })
  .transform((read) => ({
    sourceId: read["source-id"],
    id: read["field-id"] ?? undefined,
    name: read.name,
    transform: read.transform,
  }));

const specSchema = z.object({ "spec-id": z.int(), fields: z.array(partitionFieldSchema) });
const statisticsSchema = z.object({ "statistics-path": z.string() });
const orderSchema = z.object({ "order-id": z.int(), fields: z.array(z.unknown()) });

const metadataSchema = z
  .object({
    "format-version": z.int(),
    "table-uuid": z.string(),
    location: z.string(),
    "last-sequence-number": z.int().nullish(),
    "last-updated-ms": z.int().nullish(),
    "current-schema-id": z.int().nullish(),
    "last-column-id": z.int().nullish(),
    schemas: z.array(schemaSchema).nullish(),
    "partition-specs": z.array(specSchema).nullish(),
    "default-spec-id": z.int().nullish(),
    "last-partition-id": z.int().nullish(),
    "sort-orders": z.array(orderSchema).nullish(),
    "default-sort-order-id": z.int().nullish(),
    "current-snapshot-id": long.nullish(),
    properties: texts,
    snapshots: z.array(snapshotSchema).nullish(),
    "snapshot-log": z.array(z.object({ "snapshot-id": long, "timestamp-ms": z.int() })).nullish(),
    refs: z.record(z.string(), refSchema).nullish(),
    "metadata-log": z.array(z.object({ "metadata-file": z.string() })).nullish(),
    statistics: z.array(statisticsSchema).nullish(),
    "partition-statistics": z.array(statisticsSchema).nullish(),
  })
  .transform((read) => {
    const current = read["current-snapshot-id"];
    const schema = read.schemas?.find((one) => one["schema-id"] === read["current-schema-id"]);
    const spec = read["partition-specs"]?.find((one) => one["spec-id"] === read["default-spec-id"]);
    const order = read["sort-orders"]?.find((one) => one["order-id"] === read["default-sort-order-id"]);
    return {
      formatVersion: read["format-version"],
      uuid: read["table-uuid"],
      location: read.location,
      lastSequenceNumber: read["last-sequence-number"] ?? 0,
      /** Catalogs refuse a snapshot that claims to be older. */
      lastUpdatedMs: read["last-updated-ms"] ?? 0,
      schemaId: read["current-schema-id"] ?? 0,
      /** Of the current schema, in order. */
      fields: schema?.fields ?? [],
      /** The columns of each schema, by its id. */
      schemas: new Map((read.schemas ?? []).map((one) => [one["schema-id"], one.fields])),
      lastColumnId: read["last-column-id"] ?? 0,
      /** Of the current partition spec. */
      partitionFields: spec?.fields ?? [],
      /** The fields of each partition spec, by its id. */
      specs: new Map((read["partition-specs"] ?? []).map((one) => [one["spec-id"], one.fields])),
      specId: read["default-spec-id"] ?? 0,
      lastSpecId: Math.max(0, ...(read["partition-specs"] ?? []).map((one) => one["spec-id"])),
      lastPartitionId: read["last-partition-id"] ?? 999,
      sortOrderId: read["default-sort-order-id"] ?? 0,
      /** True: a writer should sort the rows of each file. */
      isSorted: (order?.fields.length ?? 0) > 0,
      /** undefined: the table has no snapshot. Some catalogs write -1 for that. */
      currentSnapshotId: current === null || current === undefined || current < 0n ? undefined : current,
      properties: read.properties,
      snapshots: read.snapshots ?? [],
      /** Ids of the snapshots that were current, oldest first. */
      snapshotLog: (read["snapshot-log"] ?? []).map((entry) => entry["snapshot-id"]),
      /** Files that the table refers to beside its snapshots: earlier metadata files, statistics. */
      otherFiles: [
        ...(read["metadata-log"] ?? []).map((entry) => entry["metadata-file"]),
        ...[...(read.statistics ?? []), ...(read["partition-statistics"] ?? [])].map((one) => one["statistics-path"]),
      ],
      /** Branches and tags. */
      refs: new Map(Object.entries(read.refs ?? {})),
    };
  });

export type TableMetadata = z.output<typeof metadataSchema>;

/** The answer to load, create, register and commit. */
export const tableSchema = z
  .object({ "metadata-location": z.string().nullish(), metadata: metadataSchema, config: looseTexts })
  .transform((read) => ({
    metadataLocation: read["metadata-location"] ?? undefined,
    metadata: read.metadata,
    config: read.config,
  }));

/** A table as its catalog gives it. `config` has what a reader of its files needs, such as `s3.endpoint`. */
export type LoadedTable = z.output<typeof tableSchema>;

const page = { "next-page-token": z.string().nullish() };
export const namespacesPage = z.object({ namespaces: z.array(z.array(z.string())), ...page });
const identifierSchema = z.object({ namespace: z.array(z.string()), name: z.string() });
export const tablesPage = z.object({ identifiers: z.array(identifierSchema), ...page });

/** Names a table or a view. */
export interface TableIdentifier {
  readonly namespace: readonly string[];
  readonly name: string;
}

export const namespaceSchema = z
  .object({ namespace: z.array(z.string()), properties: texts })
  .transform(({ properties }) => properties);

export const viewSchema = z
  .object({
    metadata: z.object({
      "view-uuid": z.string(),
      "current-version-id": z.int().nullish(),
      properties: texts,
      schemas: z.array(schemaSchema).nullish(),
      versions: z
        .array(
          z.object({
            "version-id": z.int(),
            "schema-id": z.int().nullish(),
            representations: z.array(z.object({ sql: z.string().nullish(), dialect: z.string().nullish() })),
          }),
        )
        .nullish(),
    }),
  })
  .transform(({ metadata }) => {
    const version = metadata.versions?.find((one) => one["version-id"] === metadata["current-version-id"]);
    const statements = version?.representations.map(({ sql, dialect }): [string, string] => [dialect ?? "", sql ?? ""]);
    const schemas = new Map((metadata.schemas ?? []).map((one) => [one["schema-id"], one.fields.map(plainField)]));
    return {
      uuid: metadata["view-uuid"],
      /** Of the current version. */
      columns: schemas.get(version?.["schema-id"] ?? 0) ?? [],
      versionId: metadata["current-version-id"] ?? 1,
      schemas,
      properties: metadata.properties,
      /** By dialect. */
      statements: new Map(statements),
    };
  });

const plainField = ({ name, type }: SchemaField) => ({ name, type: String(type) });

/** A view as its catalog gives it. */
export type LoadedView = z.output<typeof viewSchema>;

/** The answer has nothing that we read. */
export const anything = z.unknown();

export const errorSchema = z.object({
  error: z.object({ message: z.string().nullish(), type: z.string().nullish() }),
});

/** The error of an OAuth2 server (RFC 6749, section 5.2). */
export const oauthErrorSchema = z.object({ error: z.string(), error_description: z.string().nullish() });

export const tokenSchema = z.object({ access_token: z.string().min(1), expires_in: z.number().positive().nullish() });
