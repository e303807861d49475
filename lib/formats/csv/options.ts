import { z } from "zod";
import type { Encoding } from "../../text/encoding.ts";
import { encodingOption } from "../encoding-option.ts";
import { DELIMITER_NAMES } from "../names.ts";
import { patternFault } from "./footer-pattern.ts";

/** The usual delimiters. A file may declare any other text. */
export const DELIMITERS = [",", ";", "\t", "|"] as const;

/**
 * How a CSV file is written. Plain JSON. Fields from `headerRows` on are absent where their default holds, as
 * in messages of earlier versions.
 */
export type Dialect = {
  /** 1 to 16 characters. */
  delimiter: string;
  /** null: quotes have no meaning. */
  quote: string | null;
  /** Inside quotes: takes the special meaning from the next character, usually a quote. */
  escape: string;
  /** False: no header. See `headerRowsOf`. */
  header: boolean;
  encoding: Encoding;
  /** Rows of the header, whose cells are joined. Default: 1 with a header, else 0. */
  headerRows?: number;
  /** Lines of the file before the header, or before the first row without a header. Default 0. */
  skipRows?: number;
  /** Rows at the end of the file that are no data: as declared, and as found. Default: none. */
  footer?: FooterRule;
  footerRows?: number;
  /** Lines that start with this text are no rows. Default: none. */
  comment?: string | null;
  /** The header is one field shorter than the rows: it lacks a name for their first field. Default false. */
  rowNames?: boolean;
  /** A delimiter at the end of a line ends its last field; no empty field follows. Default false. */
  trailingDelimiter?: boolean;
  /** A delimiter at the start of a line begins its first field; no empty field precedes. Default false. */
  leadingDelimiter?: boolean;
  /** Blank cells of the header stand above no field: it has a delimiter too many. Default false. */
  dropBlankNames?: boolean;
  /** Spaces and tabs around fields and around their quotes are no part of them. Default false. */
  trimBlanks?: boolean;
};

/** How many rows the footer has, or a regular expression (RE2) for the first of them. */
export type FooterRule = { rows: number } | { pattern: string };

export const headerRowsOf = ({ header, headerRows }: Pick<Dialect, "header" | "headerRows">): number =>
  headerRows ?? (header ? 1 : 0);

/** Declared options; what is missing or `auto` is detected. */
export type DialectRequest = { [Key in Exclude<keyof Dialect, "header" | "skipRows">]?: Dialect[Key] | undefined } & {
  header?: boolean | "auto" | number | undefined;
  skipRows?: number | "auto" | undefined;
};
const DELIMITER_CHARS_MAX = 16;
const COMMENT_CHARS_MAX = 16;
const COMMENT = /^[^\s\0][^\r\n\0]{0,15}$/;
const SKIP_ROWS_MAX = 1_000_000;
const HEADER_ROWS_MAX = 10;
/** Rows of a footer; the reader holds back as many. */
export const FOOTER_ROWS_MAX = 100;
const PATTERN_CHARS_MAX = 200;

/** Other characters are no byte of their own in UTF-8, or already separate fields or rows. */
const mark = z
  .string()
  .regex(/^[!-~]$/, "use one ASCII character that is not a space")
  .refine(
    (character) => !(DELIMITERS as readonly string[]).includes(character),
    `must not be a delimiter (${DELIMITERS.map((one) => JSON.stringify(one)).join(" ")})`,
  );

const delimiter = z
  .string()
  .transform((given) => DELIMITER_NAMES.get(given) ?? given)
  .refine(
    // A word is a misspelt name: as a delimiter it would split words.
    (text) => text.length <= DELIMITER_CHARS_MAX && !/[\r\n\0]|^[A-Za-z0-9]*$/.test(text),
    `use 1 to ${DELIMITER_CHARS_MAX} characters, not only letters, digits, line ends or NUL, or one of ` +
      [...DELIMITER_NAMES.keys()].join(", "),
  );

const isRows = (given: number, max: number): boolean => Number.isInteger(given) && given >= 0 && given <= max;
const rowsFault = (max: number): string => `use a whole number from 0 to ${max}`;

const header = z
  .union([z.boolean(), z.enum(["auto", "none"]), z.number()], {
    error: "use auto, none, true, false or a number of rows",
  })
  .refine((given) => typeof given !== "number" || isRows(given, HEADER_ROWS_MAX), rowsFault(HEADER_ROWS_MAX))
  // Earlier versions read only true and false.
  .transform((given) => (given === "none" || given === 0 ? false : given === 1 ? true : given))
  .describe("auto: detected; none or false: columns are column_1, column_2 …; n: names are joined from n rows");

const skipRows = z
  .union([z.literal("auto"), z.number()], { error: "use auto or a number of lines" })
  .refine((given) => given === "auto" || isRows(given, SKIP_ROWS_MAX), rowsFault(SKIP_ROWS_MAX))
  .describe("lines of the file before the header, or before the first row; auto: detected");

const rowsOfFooterFault = (rows: number): string | undefined =>
  isRows(rows, FOOTER_ROWS_MAX) ? undefined : rowsFault(FOOTER_ROWS_MAX);

const ruleFault = (text: string): string | undefined =>
  text.length >= 1 && text.length <= PATTERN_CHARS_MAX
    ? patternFault(text)
    : `use a pattern of 1 to ${PATTERN_CHARS_MAX} characters`;

const footer = z
  .union([z.number(), z.strictObject({ rows: z.number() }), z.strictObject({ pattern: z.string() })], {
    error: 'use a number of rows, {"rows": n} or {"pattern": "…"}',
  })
  .transform((given) => (typeof given === "number" ? { rows: given } : given))
  .superRefine((rule, context) => {
    const fault = "rows" in rule ? rowsOfFooterFault(rule.rows) : ruleFault(rule.pattern);
    if (fault !== undefined) context.addIssue(fault);
  })
  .describe(
    `rows at the end of the file that are no data: how many, or (pattern) a regular expression in RE2 syntax for ` +
      `the first of them, which at most ${FOOTER_ROWS_MAX} rows may follow`,
  );

/** What a sender or a contract may declare about a CSV file; the rest is detected. */
export const csvOptionsSchema = z
  .strictObject({
    delimiter: delimiter.optional(),
    quote: mark.nullable().optional().describe("null: quotes have no meaning"),
    escape: mark.optional().describe("default: the quote doubled"),
    encoding: encodingOption.optional(),
    header: header.optional(),
    headerRows: z.int().min(0).max(HEADER_ROWS_MAX).optional().describe("rows of the header; the same as `header: n`"),
    skipRows: skipRows.optional(),
    footer: footer.optional(),
    comment: z
      .string()
      .regex(COMMENT, `use 1 to ${COMMENT_CHARS_MAX} characters without line ends that start with no blank`)
      .nullable()
      .optional()
      .describe("lines that start with this text are no rows; null: there are none"),
    rowNames: z
      .boolean()
      .optional()
      .describe("true: the header lacks a name for the first field, as R writes it; the column is row_name"),
    trailingDelimiter: z
      .boolean()
      .optional()
      .describe("true: a delimiter at the end of a line ends its last field; no empty field follows"),
    leadingDelimiter: z
      .boolean()
      .optional()
      .describe("true: a delimiter at the start of a line begins its first field; no empty field precedes"),
    dropBlankNames: z
      .boolean()
      .optional()
      .describe("true: blank cells of the header stand above no field, as where it has a delimiter too many"),
    trimBlanks: z.boolean().optional().describe("true: spaces and tabs around fields and around quotes are removed"),
  })
  .superRefine((options, context) => {
    for (const name of ["quote", "escape"] as const) {
      const own = options[name];
      if (typeof own === "string" && options.delimiter?.includes(own)) {
        context.addIssue({ code: "custom", path: [name], message: "must not be part of the delimiter" });
      }
    }
    const { header: declared, headerRows: rows } = options;
    if (rows === undefined || declared === undefined || declared === "auto" || Number(declared) === rows) return;
    const message = "contradicts `header`: declare one of them";
    context.addIssue({ code: "custom", path: ["headerRows"], message });
  });

/** The rows that a declared header has; undefined: not declared, or `auto`. */
export function declaredHeaderRows({
  header: declared,
  headerRows,
}: Pick<DialectRequest, "header" | "headerRows">): number | undefined {
  return headerRows ?? (declared === undefined || declared === "auto" ? undefined : Number(declared));
}

/** The declared options that detection does not look for, without those that say what holds by default. */
export function declaredExtras(given: DialectRequest): Partial<Dialect> {
  const { skipRows: skip, footer: ending, comment, rowNames, trailingDelimiter, dropBlankNames, trimBlanks } = given;
  const { leadingDelimiter } = given;
  const headerRows = declaredHeaderRows(given) ?? 0;
  return {
    ...(headerRows > 1 ? { headerRows } : {}),
    ...(typeof skip === "number" && skip > 0 ? { skipRows: skip } : {}),
    ...(ending && ("pattern" in ending || ending.rows > 0) ? { footer: ending } : {}),
    ...(comment ? { comment } : {}),
    ...(rowNames ? { rowNames } : {}),
    ...(trailingDelimiter ? { trailingDelimiter } : {}),
    ...(leadingDelimiter ? { leadingDelimiter } : {}),
    ...(dropBlankNames ? { dropBlankNames } : {}),
    ...(trimBlanks ? { trimBlanks } : {}),
  };
}

/** Declares that the text begins with its header and has no other lines than rows. */
export function declaredTable(dialect: Dialect): DialectRequest {
  const { delimiter, quote, escape, encoding, rowNames, trailingDelimiter, dropBlankNames, trimBlanks } = dialect;
  const { skipRows: skip, footer: ending, footerRows, comment, leadingDelimiter } = dialect;
  const headerRows = headerRowsOf(dialect);
  return {
    ...{ delimiter, quote, escape, encoding },
    header: headerRows > 1 ? headerRows : headerRows === 1,
    ...(rowNames ? { rowNames } : {}),
    ...(trailingDelimiter ? { trailingDelimiter } : {}),
    ...(leadingDelimiter ? { leadingDelimiter } : {}),
    ...(dropBlankNames ? { dropBlankNames } : {}),
    ...(trimBlanks ? { trimBlanks } : {}),
    // Declared only where a reader could look for them: earlier versions do not know these options.
    ...(skip ? { skipRows: 0 } : {}),
    ...(ending !== undefined || footerRows !== undefined ? { footer: { rows: 0 } } : {}),
    ...(comment ? { comment: null } : {}),
  };
}

/** The dialect with all that holds by default. Of the footer, what is declared and how many rows it had. */
export const wholeDialect = (dialect: Dialect): Required<Omit<Dialect, "footer">> & Pick<Dialect, "footer"> => ({
  ...{ skipRows: 0, footerRows: 0, comment: null },
  ...{ rowNames: false, trailingDelimiter: false, leadingDelimiter: false },
  ...{ dropBlankNames: false, trimBlanks: false },
  ...dialect,
  headerRows: headerRowsOf(dialect),
});
