/**
 * What a table is called, and every name made from it: topic, key, folders, SQL. Nothing else in the product
 * makes such a name, so a second namespace is a matter of this file and its callers' types.
 */

/** A table. */
export interface TableId {
  readonly namespace: string;
  readonly name: string;
}

/** The namespace of tables whose messages, keys and paths name none; the warehouse's schema. */
export const DEFAULT_NAMESPACE = "lakehouse";

/** The table of that name in the default namespace. */
export const tableId = (name: string): TableId => ({ namespace: DEFAULT_NAMESPACE, name });

const ROWS_PREFIX = "rows.";

/** The topic of the table's rows. */
export const topicOf = ({ name }: TableId): string => ROWS_PREFIX + name;

/** The topics that `topicOf` makes, for subscriptions. */
export const ROWS_TOPICS = /^rows\.[a-z0-9_]+$/;

/** The table whose rows a topic holds. */
export const tableOfTopic = (topic: string): TableId => tableId(topic.slice(ROWS_PREFIX.length));

/** The key of the table's records in topics of all tables: it decides the partition, and so the order. */
export const keyOf = ({ name }: TableId): string => name;

/** True for a key that `keyOf` makes for tables of users; records of other writers may have any. */
export const isTableKey = (key: string): boolean => ROWS_TOPICS.test(ROWS_PREFIX + key) && !isReservedTable(key);

/** The table's folder below a prefix of a store (staged rows, drops); ends with `/`. */
export const folderOf = ({ name }: TableId): string => `${name}/`;

/** The view that shows the table as its last passing checks saw it. */
export const publishedOf = ({ namespace, name }: TableId): TableId => ({ namespace, name: `${name}_trusted` });

/** The table whose published view has that name; undefined for names that no view has. */
export const tableOfPublished = ({ namespace, name }: TableId): TableId | undefined => {
  const base = /^(.+)_trusted$/.exec(name)?.[1];
  return base === undefined ? undefined : { namespace, name: base };
};

const SHADOW_PREFIX = "tributary_rebuild_";

/** The table in which a rebuild of the table grows, until it takes the table's place. */
export const shadowOf = ({ namespace, name }: TableId): TableId => ({ namespace, name: SHADOW_PREFIX + name });

/** True for a name that `shadowOf` makes. */
export const isShadow = (name: string): boolean => name.startsWith(SHADOW_PREFIX);

/**
 * Our own tables (`_ingest_files` …); Trino's catalog stores them under the prefix `tributary_`. A user's
 * table of such a name would be the same table.
 */
const RESERVED = /^(_|tributary_)/;

/** True for a name that belongs to Tributary's own tables. */
export const isReservedTable = (name: string): boolean => RESERVED.test(name);

/** One field of a partitioning: `column`, `month(column)` or `bucket(column, 16)`. */
export interface PartitionField {
  /** `identity` or the name of an Iceberg transform. */
  transform: string;
  column: string;
  argument?: number;
}

const TRANSFORMS_PLAIN = ["year", "month", "day", "hour"];
const TRANSFORMS_SIZED = ["bucket", "truncate"];

/** The parsed field; undefined for an unknown transform, or one without the number that it needs. */
export function partitionField(text: string): PartitionField | undefined {
  const call = /^\s*([a-z]+)\s*\(\s*([^(),]+?)\s*(?:,\s*(\d+)\s*)?\)\s*$/i.exec(text);
  if (!call) return /[()]/.test(text) ? undefined : { transform: "identity", column: text.trim() };
  const [transform, column, argument] = [call[1]!.toLowerCase(), call[2]!, call[3]];
  if (argument === undefined) return TRANSFORMS_PLAIN.includes(transform) ? { transform, column } : undefined;
  return TRANSFORMS_SIZED.includes(transform) ? { transform, column, argument: Number(argument) } : undefined;
}

/** What a field may be, for messages. */
export const PARTITION_FORMS = "a column, year(c), month(c), day(c), hour(c), bucket(c, 16) or truncate(c, 10)";
