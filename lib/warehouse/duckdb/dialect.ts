import { dialectOf, quoted } from "../sql/dialect.ts";

/** The dialect of DuckDB. */
export const duckdb = dialectOf({
  typeName: (type) => type,
  stringLiteral(text) {
    if (!text.includes("\0")) return quoted(text);
    // NUL ends a statement in DuckDB's C interface.
    return `(${text.split("\0").map(quoted).join(" || chr(0) || ")})`;
  },
  instantLiteral: (text) => `TIMESTAMPTZ '${text}+00'`,
  regexpMatches: (text, pattern) => `regexp_matches(${text}, ${pattern})`,
});
