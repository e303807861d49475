import { Dicer } from "@fastify/busboy";
import type { FastifyRequest } from "fastify";
import { finished, type Readable } from "node:stream";
import { TributaryError } from "../../../lib/errors.ts";

/** A part of a form that has a file name. */
export interface FormFile {
  /** Without folders. */
  name: string;
  /** The part's own Content-Type, with its charset; more than one: it has several such headers. */
  contentTypes: readonly string[];
  body: Readable;
}

/** Parts of a form that are no files. They are not read. */
const FIELDS_MAX = 100;
const HEADERS_MAX = 100;

type PartHeader = Readonly<Record<string, readonly string[]>>;

const mediaTypeOf = ({ headers }: FastifyRequest): string => headers["content-type"] ?? "";

export const isForm = (request: FastifyRequest): boolean => /^\s*multipart\//i.test(mediaTypeOf(request));

/**
 * The files of a multipart form, one after the other: each has to be read to its end before the next one
 * comes. (Parsers of forms drop the charset of a part's Content-Type; Dicer gives its header as it is.)
 * @throws BAD_REQUEST, BODY_TOO_LARGE beyond a limit, UPLOAD_INCOMPLETE if the form ends early, what the
 * request fails with
 */
export async function* formFiles(request: FastifyRequest, filesMax: number): AsyncGenerator<FormFile, void> {
  const { raw } = request;
  const boundary = boundaryOf(mediaTypeOf(request));
  const found: (FormFile | Error | undefined)[] = [];
  let wake = (): void => undefined;
  let current: Readable | undefined;
  let [files, fields] = [0, 0];
  const add = (one: FormFile | Error | undefined): void => {
    found.push(one);
    wake();
  };
  const takePart = (header: PartHeader, body: Readable): void => {
    const name = fileNameIn(header["content-disposition"]?.[0] ?? "");
    const isField = name === undefined;
    if (isField || ++files > filesMax) body.resume();
    if (!isField && files <= filesMax) add({ name, contentTypes: header["content-type"] ?? [], body });
    else if (!isField && files === filesMax + 1)
      add(tooMany("the form has more files than TRIBUTARY_MULTIPART_FILES_MAX allows"));
    else if (isField && ++fields === FIELDS_MAX + 1) add(tooMany("the form has too many fields: send only files"));
  };
  const dicer = new Dicer({ boundary, maxHeaderPairs: HEADERS_MAX });
  dicer.on("part", (part) => {
    const body = (current = part);
    // Its reader sees the failure. Without a listener, one before the first read would crash the process.
    body.on("error", () => undefined);
    part.on("header", (header) => takePart(header as PartHeader, body));
  });
  // The form ends with its last part and with the request: bytes may follow the last boundary.
  let open = 2;
  const end = (): void => {
    if (--open === 0) add(undefined);
  };
  dicer.on("error", add);
  const stop = finished(raw, { writable: false }, (error) => {
    if (!error) return end();
    current?.destroy(error);
    add(error);
  });
  raw.pipe(dicer);
  // After the listener of pipe, which pauses the request.
  dicer.once("finish", () => {
    raw.resume();
    end();
  });
  try {
    for (;;) {
      while (found.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const next = found.shift();
      if (next === undefined) return;
      if (next instanceof Error) throw next instanceof TributaryError ? next : incomplete(next);
      yield next;
    }
  } finally {
    stop();
    raw.unpipe(dicer);
  }
}

function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary !== undefined) return boundary;
  throw new TributaryError("BAD_REQUEST", "the form's Content-Type has no boundary: let the client set the header");
}

const PARAMETER = /;\s*([\w*]{1,40})\s*=\s*(?:"((?:\\["\\]|[^"])*)"|([^;\s]*))/g;

/** The file name in a Content-Disposition, whose bytes are UTF-8; undefined: it has none. */
function fileNameIn(disposition: string): string | undefined {
  const given = new Map<string, string>();
  for (const [, key = "", quoted, plain = ""] of disposition.matchAll(PARAMETER)) {
    given.set(key.toLowerCase(), quoted?.replaceAll(/\\(["\\])/g, "$1") ?? plain);
  }
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(given.get("filename*") ?? "")?.[1];
  const bytes = encoded === undefined ? given.get("filename") : percentDecoded(encoded);
  if (bytes === undefined) return undefined;
  const name = Buffer.from(bytes, "latin1").toString("utf8");
  return name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
}

const percentDecoded = (text: string): string =>
  text.replaceAll(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

const tooMany = (detail: string): TributaryError => new TributaryError("BODY_TOO_LARGE", detail);

const incomplete = (cause: Error): TributaryError =>
  new TributaryError("UPLOAD_INCOMPLETE", "incomplete form: it ends within a part, or without its last boundary", {
    cause,
  });
