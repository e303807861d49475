/** What programs and people write for a value that is missing, in lower case. */
const MISSING: ReadonlySet<string> = new Set([
  ...["na", "n/a", "n.a.", "#n/a", "null", "(null)", "[null]", "<null>", "nil", "none", "nan", "missing", "\\n"],
  ...["-", "--", "---", "–", "—", ".", "..", "?", "-,-", "-,--", "--,--", "–,–"],
  ...["#value!", "#div/0!", "#ref!", "#name?", "#null!", "#num!", "#nv", "not available"],
  ...["k.a.", "k. a.", "k/a", "n/v", "n/d", "s/o", "(leer)", "(blank)", "(empty)", "(none)", "(vide)"],
]);

/** Of the longest of them, in bytes. */
export const MISSING_BYTES_MAX = 14;

export const isMissingText = (text: string): boolean => MISSING.has(text.toLowerCase());
