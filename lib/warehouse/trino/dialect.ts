import { dialectOf, quoted } from "../sql/dialect.ts";

/** The SQL dialect of Trino on Iceberg, which stores timestamps in microseconds. */
export const trino = dialectOf({
  typeName(type) {
    if (type === "TIMESTAMP") return "TIMESTAMP(6)";
    return type === "TIMESTAMP WITH TIME ZONE" ? "TIMESTAMP(6) WITH TIME ZONE" : type;
  },
  stringLiteral(text) {
    if (!text.includes("\0")) return quoted(text);
    return `U&${quoted(text.replaceAll("\\", "\\\\").replaceAll("\0", "\\0000"))}`;
  },
  instantLiteral: (text) => `TIMESTAMP '${text} UTC'`,
  // In Trino NaN = NaN is not true, and IS NOT DISTINCT FROM makes no hash join. The bits do.
  keyValue: (type, sql) =>
    type === "DOUBLE"
      ? `to_ieee754_64(CASE WHEN is_nan(${sql}) THEN nan() WHEN ${sql} = 0 THEN DOUBLE '0.0' ELSE ${sql} END)`
      : sql,
  regexpMatches: (text, pattern) => `regexp_like(${text}, ${pattern})`,
  sha256: (text) => `lower(to_hex(sha256(to_utf8(${text}))))`,
});
