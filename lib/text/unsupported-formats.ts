import { isAscii, isUtf8 } from "node:buffer";
import { textFormatOf } from "./text-formats.ts";

/** Detects files of unsupported formats, because loading them would produce garbage rows. */

const MAGICS: [magic: Buffer, name: string][] = [
  // Found here only after the file was decompressed once.
  [Buffer.from([0x1f, 0x8b]), "gzip data that was compressed twice"],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), "zstd data that was compressed twice"],
  [Buffer.from("PK\x03\x04"), "a ZIP archive"],
  [Buffer.from("PK\x05\x06"), "an empty ZIP archive"],
  [Buffer.from([0xd0, 0xcf, 0x11, 0xe0]), "an old Excel workbook"],
  [Buffer.from("PAR1"), "a Parquet file"],
  [Buffer.from("%PDF-"), "a PDF document"],
  [Buffer.from("Obj\x01"), "an Avro file"],
  [Buffer.from("ORC"), "an ORC file"],
  [Buffer.from("BZh"), "bzip2-compressed data"],
  [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), "xz-compressed data"],
  [Buffer.from([0x37, 0x7a, 0xbc, 0xaf]), "a 7-Zip archive"],
  [Buffer.from([0x89, 0x50, 0x4e, 0x47]), "a PNG image"],
  [Buffer.from([0xff, 0xd8, 0xff]), "a JPEG image"],
  [Buffer.from("SQLite format 3"), "an SQLite database"],
];

/**
 * Above this share of control characters bytes count as binary. The limit is lower for bytes that are not
 * UTF-8.
 */
const CONTROL_SHARE_MAX = 0.3;
const CONTROL_SHARE_MAX_NO_UTF8 = 0.03;
const CONTROLS_MIN_NO_UTF8 = 16;

/**
 * Names the binary format that the bytes look like; undefined for text. In UTF-16 half the bytes may
 * be zero.
 */
export function looksBinary(sample: Buffer, isUtf16 = false): string | undefined {
  // "ORC" and "BZh" may start a header; in the real formats control characters follow.
  const magic = MAGICS.find(([bytes]) => startsWith(sample, bytes) && !(isAsciiText(sample) && bytes.length < 4));
  if (magic) return isWorkbook(sample) ? "an Excel workbook (a ZIP archive)" : magic[1];
  if (isUtf16) return undefined;
  const controls = countControls(sample);
  if (controls > CONTROL_SHARE_MAX * sample.length) return "binary data";
  const many = controls >= CONTROLS_MIN_NO_UTF8 && controls > CONTROL_SHARE_MAX_NO_UTF8 * sample.length;
  return many && !isUtf8(sample) ? "binary data" : undefined;
}

/** The first entries of a ZIP archive name the parts of a workbook. */
const isWorkbook = (sample: Buffer): boolean =>
  startsWith(sample, Buffer.from("PK\x03\x04")) && (sample.includes("[Content_Types].xml") || sample.includes("xl/"));

const startsWith = (bytes: Buffer, prefix: Buffer): boolean => bytes.subarray(0, prefix.length).equals(prefix);

const isAsciiText = (sample: Buffer): boolean => isAscii(sample) && countControls(sample) === 0;

function countControls(sample: Buffer): number {
  let controls = 0;
  for (const byte of sample) if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) controls++;
  return controls;
}

/** Bytes of text that are checked for other text formats. */
export const MARKUP_SAMPLE_BYTES = 4096;

/**
 * Names the markup that a text starts with (often an error page or an API response), or the format of another
 * program; undefined for other text.
 */
export function looksForeign(beginning: string): string | undefined {
  return markupOf(beginning.trimStart()) ?? textFormatOf(beginning.replace(/^\ufeff/, ""));
}

/** What to do with a file that is recognised, by the beginning of its description. */
const REMEDIES: readonly [found: string, remedy: string][] = [
  ["an Excel workbook", "save each sheet as CSV and upload those files"],
  ["an old Excel workbook", "save each sheet as CSV and upload those files"],
  ["a SYLK spreadsheet", "open it in a spreadsheet program and save it as CSV"],
  ["a DIF spreadsheet", "open it in a spreadsheet program and save it as CSV"],
  ["a ZIP archive", "unpack it and upload its CSV files"],
  ["an SQL script", "run it in a database and export the table as CSV"],
  ["JSON", "convert it to CSV"],
];

/** What the sender of a file can do that was found to be of another format. */
export const remedyFor = (found: string): string =>
  REMEDIES.find(([beginning]) => found.startsWith(beginning))?.[1] ?? "convert it to delimited text";

function markupOf(text: string): string | undefined {
  if (/^<(!doctype\s+html|html|head|body)[\s>]/i.test(text)) return "an HTML page";
  if (/^<(\?xml\s|[a-z][\w:.-]*(\s+[\w:.-]+\s*=\s*["'][^"']*["'])*\s*\/?>\s*<)/i.test(text)) return "an XML document";
  if (text.startsWith("{\\rtf")) return "an RTF document";
  return looksJson(text) ? "JSON" : undefined;
}

/**
 * True if the first line is, or begins, a JSON object or an array of objects; false for a header like
 * `[id],[name]`.
 */
function looksJson(text: string): boolean {
  const end = text.search(/[\r\n]/);
  const line = (end < 0 ? text : text.slice(0, end)).trimEnd();
  if (/^(\[\s*)?\{?$/.test(line)) return line !== "" && /^[[{\s]+(["}\]]|$)/.test(text);
  if (!/^(\[\s*)?\{/.test(line)) return line === "[]";
  // An array on one long line: only its beginning is in the sample.
  if (end < 0 && text.length > MARKUP_SAMPLE_BYTES / 2) return /^(\[\s*)?\{\s*"[^"]*"\s*:/.test(line);
  const item = line.replace(/,$/, "");
  return isJson(item) || (item.startsWith("[") && isJson(item.slice(1)));
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}
