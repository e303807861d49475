import { z } from "zod";
import { csvOptionsSchema } from "../../../lib/formats/csv/options.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { DELIMITER_NAMES, FORMAT_NAMES } from "../../../lib/formats/names.ts";
import { checkRequest } from "../../../lib/formats/registry.ts";
import { encodingNamed, unknownEncoding } from "../../../lib/text/encoding.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { duration } from "../../../lib/process/config.ts";
import { problemSchema } from "./schemas.ts";

const problemResponse = {
  description: "what is wrong, and the remedy",
  content: { "application/problem+json": { schema: problemSchema } },
} as const;

/** The command was accepted but did not finish in time. */
export const unfinishedResponse = { ...problemResponse, description: "not finished in time; it continues" } as const;

export const problemResponses = { "4xx": problemResponse, "5xx": problemResponse } as const;

const flag = z.enum(["true", "false"]).optional();

/** The file's CSV dialect, for senders that know it better than detection does. */
export const dialectParameters = {
  format: z.enum(FORMAT_NAMES).optional().describe("the file's format; default: detected"),
  delimiter: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe(
      `1 to 16 characters (\\t, \\x01 and \\u00a7 stand for one), or one of ${[...DELIMITER_NAMES.keys()].join(", ")}; ` +
        "default: detected",
    ),
  quote: z.string().min(1).max(4).optional().describe("one character, or `none`"),
  escape: z.string().length(1).optional().describe("default: a doubled quote"),
  encoding: csvOptionsSchema.shape.encoding.describe(
    "a label of the WHATWG Encoding Standard; default: the charset of the Content-Type, else detected",
  ),
  header: z
    .string()
    .regex(/^(true|false|auto|none|[0-9]{1,2})$/, "use auto, none, true, false or a number of rows")
    .optional()
    .describe("none or false: columns are column_1, column_2 …; a number: names are joined from as many rows"),
  skipRows: z
    .string()
    .regex(/^(auto|[0-9]{1,7})$/, "use auto or a number of lines")
    .optional()
    .describe("lines of the file before the header; default: detected"),
  footer: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      "rows at the end that are no data: a number, `none`, or a regular expression (RE2) for the first of them",
    ),
  comment: z.string().min(1).max(16).optional().describe("lines that start with this text are no rows; or `none`"),
  rowNames: flag.describe("true: the header lacks a name for the first field"),
  trailingDelimiter: flag.describe("true: a delimiter at the end of a line starts no further field"),
  leadingDelimiter: flag.describe("true: a delimiter at the start of a line begins its first field"),
  dropBlankNames: flag.describe("true: blank cells of the header stand above no field"),
  trimBlanks: flag.describe("true: spaces and tabs around fields and around quotes are removed"),
} as const;

type DialectQuery = { [Name in keyof typeof dialectParameters]?: z.output<(typeof dialectParameters)[Name]> };

/** @throws BAD_REQUEST naming each invalid parameter */
export function requestedDialectOf(query: DialectQuery): FormatRequest {
  const { format, delimiter, quote, escape, encoding, header, skipRows, footer, comment } = query;
  const declared = {
    format,
    delimiter: delimiter === undefined ? undefined : unescaped(delimiter),
    quote: quote === "none" ? null : quote,
    escape,
    encoding,
    header: header === "true" || header === "false" ? header === "true" : numberOr(header),
    skipRows: numberOr(skipRows),
    footer: footer === undefined ? undefined : footerOf(footer),
    comment: comment === "none" ? null : comment,
    ...flagsOf(query),
  };
  const checked = checkRequest(Object.fromEntries(Object.entries(declared).filter(([, value]) => value !== undefined)));
  if (checked.success) return checked.data;
  const faults = checked.issues.map(({ path, message }) => `query.${path.join(".")}: ${message}`);
  throw new TributaryError("BAD_REQUEST", faults.join("; "));
}

const flagsOf = (query: DialectQuery): Record<string, boolean> =>
  Object.fromEntries(
    (["rowNames", "trailingDelimiter", "leadingDelimiter", "dropBlankNames", "trimBlanks"] as const).flatMap((name) =>
      query[name] === undefined ? [] : [[name, query[name] === "true"]],
    ),
  );

const numberOr = (text: string | undefined): string | number | undefined =>
  text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : text;

function footerOf(text: string): { rows: number } | { pattern: string } {
  const rows = numberOr(text === "none" ? "0" : text);
  return typeof rows === "number" ? { rows } : { pattern: text };
}

/** Command lines and URLs cannot hold every character: \t, \x01, \u0001 and \\ stand for one. */
const unescaped = (text: string): string =>
  text.replaceAll(/\\(t|\\|x[0-9a-f]{2}|u[0-9a-f]{4})/gi, (_, code: string) => {
    if (code === "\\") return code;
    return code === "t" || code === "T" ? "\t" : String.fromCharCode(Number.parseInt(code.slice(1), 16));
  });

/**
 * The dialect with the charset that comes with the bytes, e.g. in their Content-Type, if the sender names no
 * encoding.
 * @throws UNSUPPORTED_MEDIA_TYPE for an unknown charset
 */
export function withCharset(dialect: FormatRequest, charset: string | undefined): FormatRequest {
  // Many clients send these with any text. UTF-8 needs no declaration.
  if (charset === undefined || dialect.encoding !== undefined || /^(us-ascii|utf-?8)$/i.test(charset)) return dialect;
  const encoding = encodingNamed(charset);
  if (encoding) return { ...dialect, encoding };
  throw new TributaryError("UNSUPPORTED_MEDIA_TYPE", `charset: ${unknownEncoding(charset)}`);
}

/** Senders' wishes for repeated uploads. */
export const repeatParameters = {
  again: z
    .enum(["true", "false"])
    .optional()
    .describe("true: a new version even if the newest one has the same content; an append table gets its rows again"),
} as const;

/** The header of requests that may be sent again. */
export const idempotencyHeaders = z.looseObject({
  "idempotency-key": z
    .string()
    .regex(/^[!-~]{1,255}$/, "send one key of 1 to 255 printable ASCII characters, without spaces")
    .optional()
    .describe("a repeated request with the same key, file name and content is the same version of the file"),
});

export const waitParameters = {
  wait: z.literal("committed").optional().describe("respond only when the rows can be queried"),
  timeout: duration.optional().describe("how long to wait, e.g. 30s; default 30s"),
} as const;

const WAIT_MS_DEFAULT = 30_000;

/** How long the request asks to wait, in milliseconds; undefined: not at all. @throws BAD_REQUEST */
export function waitMsOf(
  query: { wait?: "committed" | undefined; timeout?: number | undefined },
  waitMsMax: number,
): number | undefined {
  if (query.wait === undefined) return undefined;
  const waitMs = query.timeout ?? Math.min(WAIT_MS_DEFAULT, waitMsMax);
  if (waitMs > waitMsMax) {
    throw new TributaryError("BAD_REQUEST", `query.timeout: at most ${waitMsMax} ms (TRIBUTARY_WAIT_MAX)`);
  }
  return waitMs;
}

/** Text that may become part of an SQL statement or a header. */
export const plainText = z
  .string()
  .max(1024)
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, "contains a control character");

/** A position in a list, opaque to clients. */
export const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString("base64url");

/** @throws BAD_REQUEST if the list did not issue this cursor */
export function decodeCursor<Schema extends z.ZodType>(cursor: string, schema: Schema): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
  } catch {
    throw new TributaryError("BAD_REQUEST", "query.cursor: not a cursor of this list; pass a `nextCursor` unchanged");
  }
}
