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

/** A minimum or maximum, by what it limits. */
const AMOUNTS = new Map<string, (limit: string) => string>([
  ["string", (limit) => `have ${limit} characters`],
  ["array", (limit) => `have ${limit} entries`],
  ["record", (limit) => `have ${limit} keys`],
  ["object", (limit) => `have ${limit} keys`],
]);

const quoted = (values: readonly unknown[]): string => values.map((value) => `'${String(value)}'`).join(", ");

/** The text of an issue; undefined: zod's own. */
export function faultText(issue: z.core.$ZodRawIssue): string | undefined {
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
  const isMinimum = issue.code === "too_small";
  const bound = String(isMinimum ? issue.minimum : issue.maximum);
  if (isMinimum && bound === "1" && AMOUNTS.has(issue.origin)) return "must not be empty";
  const limit = `${issue.inclusive === false ? (isMinimum ? "more than" : "less than") : isMinimum ? "at least" : "at most"} ${bound}`;
  const amount = AMOUNTS.get(issue.origin);
  return `must ${amount ? amount(limit) : `be ${limit}`}`;
}

z.config({ customError: faultText });
