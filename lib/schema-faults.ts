/**
 * What people read of a value that a schema refuses: in settings, contracts and requests. Importing this
 * module replaces zod's texts, which are written for programmers.
 */
import { z } from "zod";

const TYPES = new Map(
  Object.entries({
    string: "text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "an object",
    record: "an object",
    null: "null",
  }),
);

/** What a minimum or maximum counts; a number is limited itself. */
const COUNTED = new Map([
  ["string", "characters"],
  ["array", "entries"],
  ["record", "keys"],
  ["object", "keys"],
]);

const quoted = (values: readonly unknown[]): string => values.map((value) => `'${String(value)}'`).join(", ");

/** The text of an issue; undefined: zod's own. */
function faultText(issue: z.core.$ZodRawIssue): string | undefined {
  const isMissing = issue.input === undefined;
  switch (issue.code) {
    case "invalid_type":
      return isMissing ? "is missing" : `must be ${TYPES.get(issue.expected) ?? issue.expected}`;
    case "invalid_value": {
      const values = issue.values.map(String).join(", ");
      const wanted = issue.values.length === 1 ? `must be ${values}` : `must be one of ${values}`;
      return isMissing ? `is missing: ${wanted}` : wanted;
    }
    case "invalid_union":
      return isMissing ? "is missing" : undefined;
    case "unrecognized_keys":
      return `unknown ${issue.keys.length === 1 ? "field" : "fields"} ${quoted(issue.keys)}`;
    case "too_small":
    case "too_big":
      return limitText(issue);
    case "invalid_format":
      if (issue.format === "regex") return `must match ${String(issue.pattern)}`;
      return `not a valid ${issue.format === "url" ? "URL" : issue.format}`;
    default:
      return undefined;
  }
}

function limitText(issue: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig>): string {
  const [bound, inclusive, strict] =
    issue.code === "too_small" ? [issue.minimum, "at least", "more than"] : [issue.maximum, "at most", "less than"];
  const limit = `${issue.inclusive === false ? strict : inclusive} ${bound}`;
  const counted = COUNTED.get(issue.origin);
  if (counted === undefined) return `must be ${limit}`;
  return limit === "at least 1" ? "must not be empty" : `must have ${limit} ${counted}`;
}

z.config({ customError: faultText });
