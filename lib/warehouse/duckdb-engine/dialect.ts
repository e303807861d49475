import { dialectOf, quoted } from "../sql/dialect.ts";

export const duckdb = dialectOf({
  typeName: (type) => type,
  stringLiteral(text) {
    if (!text.includes("\0")) return quoted(text);
    // In DuckDB's C interface, NUL ends a statement.
    return `(${text.split("\0").map(quoted).join(" || chr(0) || ")})`;
  },
  instantLiteral: (text) => `TIMESTAMPTZ '${text}+00'`,
  // DuckDB 1.5.5 writes bounds for Iceberg files that leave out NaN. A sum is not compared with them.
  keyValue: (type, sql) => (type === "DOUBLE" ? `(${sql} + 0)` : sql),
  regexpMatches: (text, pattern) => `regexp_matches(${text}, ${pattern})`,
  sha256: (text) => `sha256(${text})`,
});
