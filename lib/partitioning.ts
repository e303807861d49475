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
