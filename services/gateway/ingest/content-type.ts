import type { FastifyRequest } from "fastify";
import { compressionOf } from "../../../lib/text/decompress.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { isForm } from "./form.ts";

/** What the headers of an upload or a preview say about its body. */

/**
 * The one Content-Type of a body or of a form's part; empty: none.
 * @throws BAD_REQUEST if there are several that differ: each may declare another charset
 */
export function oneContentType(given: readonly string[]): string {
  const [first = "", ...others] = given;
  const other = others.find((one) => one !== first);
  if (other === undefined) return first;
  const shown = [first, other].map((one) => `'${one.slice(0, 80)}'`).join(" and ");
  throw new TributaryError("BAD_REQUEST", `two headers Content-Type that differ, ${shown}: send one`);
}

/** Of the request. Node keeps the first of several. @throws BAD_REQUEST */
export function contentTypeOf({ raw: { rawHeaders } }: FastifyRequest): string {
  return oneContentType(
    rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === "content-type"),
  );
}

/** @throws UNSUPPORTED_ENCODING */
export function checkContentEncoding(request: FastifyRequest): void {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (["identity", "gzip", "x-gzip", "zstd"].includes(encoding)) return;
  throw new TributaryError(
    "UNSUPPORTED_ENCODING",
    `unsupported Content-Encoding '${encoding}': use gzip, zstd or identity`,
  );
}

/** @throws UNSUPPORTED_MEDIA_TYPE for a form */
export function checkNoForm(request: FastifyRequest): void {
  if (!isForm(request)) return;
  throw new TributaryError(
    "UNSUPPORTED_MEDIA_TYPE",
    "PUT takes the file itself: send it with `curl -T <file>`, or send forms (`curl -F`) to " +
      "POST /v1/tables/<table>/files",
  );
}

/** Whether the sender may have removed the line ends of the file, as `curl -d` does. */
export const mayLackLineEnds = ({ headers }: FastifyRequest): boolean =>
  (headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase() === "application/x-www-form-urlencoded" &&
  headers["content-encoding"] === undefined;

export const hasLineEnds = (chunk: Buffer): boolean =>
  chunk.includes(10) || chunk.includes(13) || compressionOf(chunk) !== "none";

/**
 * curl sends this type for `-d`, which removes line ends from a file, and for `--data-binary`, which does
 * not.
 */
export const withoutLineEnds = (): TributaryError =>
  new TributaryError(
    "UNSUPPORTED_MEDIA_TYPE",
    "the body is application/x-www-form-urlencoded and has no line end: `curl -d` removes them. " +
      "Send the file with `curl --data-binary @<file>` or `curl -T <file>`; " +
      "if it has only one line, add `-H 'Content-Type: text/csv'`",
  );
