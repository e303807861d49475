import { z } from "zod";
import { csvOptionsSchema } from "../../../lib/formats/csv/csv-format.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { checkRequest, FORMATS } from "../../../lib/formats/registry.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { duration } from "../../../lib/process/config.ts";
import { problemSchema } from "./schemas.ts";

/** Limits of a form's other parts. Settings limit the number and size of its files. */
export const FORM_LIMITS = {
  fileSize: Infinity,
  fields: 100,
  fieldSize: 10_000,
  fieldNameSize: 100,
  headerPairs: 100,
} as const;

const problemResponse = {
  description: "what is wrong, and the remedy",
  content: { "application/problem+json": { schema: problemSchema } },
} as const;

/** The command was accepted but did not finish in time. */
export const unfinishedResponse = { ...problemResponse, description: "not finished in time; it continues" } as const;

export const problemResponses = { "4xx": problemResponse, "5xx": problemResponse } as const;

const DELIMITERS = { comma: ",", semicolon: ";", tab: "\t", pipe: "|" } as const;

/** The file's CSV dialect, for senders that know it better than detection does. */
export const dialectParameters = {
  format: z
    .enum(FORMATS.map(({ name }) => name) as [string, ...string[]])
    .optional()
    .describe("the file's format; default: detected"),
  delimiter: z
    .enum([",", ";", "\t", "|", "comma", "semicolon", "tab", "pipe"])
    .optional()
    .describe("default: detected"),
  quote: z.string().min(1).max(4).optional().describe("one character, or `none`"),
  escape: z.string().length(1).optional().describe("default: a doubled quote"),
  encoding: csvOptionsSchema.shape.encoding.describe("default: detected"),
  header: z.enum(["true", "false"]).optional().describe("false: columns are column_1, column_2 …"),
} as const;

/** @throws BAD_REQUEST naming each invalid parameter */
export function requestedDialectOf(query: {
  format?: string | undefined;
  delimiter?: string | undefined;
  quote?: string | undefined;
  escape?: string | undefined;
  encoding?: FormatRequest["encoding"];
  header?: "true" | "false" | undefined;
}): FormatRequest {
  const { format, delimiter, quote, escape, encoding, header } = query;
  const given = {
    ...(format === undefined ? {} : { format }),
    ...(delimiter === undefined ? {} : { delimiter: DELIMITERS[delimiter as keyof typeof DELIMITERS] ?? delimiter }),
    ...(quote === undefined ? {} : { quote: quote === "none" ? null : quote }),
    ...(escape === undefined ? {} : { escape }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(header === undefined ? {} : { header: header === "true" }),
  };
  const checked = checkRequest(given);
  if (checked.success) return checked.data;
  const faults = checked.issues.map(({ path, message }) => `query.${path.join(".")}: ${message}`);
  throw new TributaryError("BAD_REQUEST", faults.join("; "));
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
