import { isAscii, isUtf8 } from "node:buffer";

/** What a file is if it is no delimited text. Loaded all the same, it would make a table of rubbish. */

const MAGICS: [magic: Buffer, name: string][] = [
  // Seen only after one unpacking.
  [Buffer.from([0x1f, 0x8b]), "gzip data that was compressed once more"],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), "zstd data that was compressed once more"],
  [Buffer.from("PK\x03\x04"), "a ZIP archive (an Excel workbook, perhaps)"],
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

/** Share of control characters beyond which bytes are no text; of bytes that are no UTF-8 fewer will do, if there are some. */
const CONTROL_SHARE_MAX = 0.3;
const CONTROL_SHARE_MAX_NO_UTF8 = 0.03;
const CONTROLS_MIN_NO_UTF8 = 16;

/** What the bytes look like if they are no text, else undefined. Not for UTF-16, half of which are zeros. */
export function looksBinary(sample: Buffer): string | undefined {
  // "ORC" may well begin a header; the real thing goes on with control characters.
  const magic = MAGICS.find(([bytes]) => startsWith(sample, bytes) && !(isAsciiText(sample) && bytes.length < 4));
  if (magic) return magic[1];
  const controls = countControls(sample);
  if (controls > CONTROL_SHARE_MAX * sample.length) return "binary data";
  const many = controls >= CONTROLS_MIN_NO_UTF8 && controls > CONTROL_SHARE_MAX_NO_UTF8 * sample.length;
  return many && !isUtf8(sample) ? "binary data" : undefined;
}

const startsWith = (bytes: Buffer, prefix: Buffer): boolean => bytes.subarray(0, prefix.length).equals(prefix);

const isAsciiText = (sample: Buffer): boolean => isAscii(sample) && countControls(sample) === 0;

function countControls(sample: Buffer): number {
  let controls = 0;
  for (const byte of sample) if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) controls++;
  return controls;
}

/** So much of a text's beginning is looked at for other formats. */
export const MARKUP_SAMPLE_BYTES = 4096;

/** What a text is, by its beginning, if it is written in another format: as a rule an error page, or an answer meant for programs. */
export function looksMarkedUp(beginning: string): string | undefined {
  const text = beginning.trimStart();
  if (/^<(!doctype\s+html|html|head|body)[\s>]/i.test(text)) return "an HTML page";
  if (/^<(\?xml\s|[a-z][\w:.-]*(\s+[\w:.-]+\s*=\s*["'][^"']*["'])*\s*\/?>\s*<)/i.test(text)) return "an XML document";
  return looksJson(text) ? "JSON" : undefined;
}

/** True if the first line is a JSON object or a list of them, or begins one. A header such as `[id],[name]` is none. */
function looksJson(text: string): boolean {
  const end = text.search(/[\r\n]/);
  const line = (end < 0 ? text : text.slice(0, end)).trimEnd();
  if (/^(\[\s*)?\{?$/.test(line)) return line !== "" && /^[[{\s]+(["}\]]|$)/.test(text);
  if (!/^(\[\s*)?\{/.test(line)) return line === "[]";
  // A list in one long line, of which only the beginning is seen.
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
