import { nearestOf } from "../nearest.ts";

/**
 * The encodings that files may have. Names are those of the WHATWG Encoding Standard where it has one; it has
 * none for the code pages of DOS. `iso-8859-1` is read as the standard says: as Windows-1252.
 */
export const ENCODINGS = [
  "utf-8",
  "utf-16le",
  "utf-16be",
  "iso-8859-1",
  "windows-1252",
  "windows-1250",
  "windows-1251",
  "windows-1253",
  "windows-1254",
  "windows-1255",
  "windows-1256",
  "windows-1257",
  "windows-1258",
  "windows-874",
  "iso-8859-2",
  "iso-8859-3",
  "iso-8859-4",
  "iso-8859-5",
  "iso-8859-6",
  "iso-8859-7",
  "iso-8859-8",
  "iso-8859-10",
  "iso-8859-13",
  "iso-8859-14",
  "iso-8859-15",
  "iso-8859-16",
  "koi8-r",
  "koi8-u",
  "macintosh",
  "x-mac-cyrillic",
  "ibm866",
  "cp437",
  "cp850",
  "cp852",
  "shift_jis",
  "euc-jp",
  "iso-2022-jp",
  "gb18030",
  "gbk",
  "big5",
  "euc-kr",
] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** Names that the standard lacks and other tools write. */
const ALIASES: ReadonlyMap<string, Encoding> = new Map([
  ["utf-8-sig", "utf-8"],
  ["utf_8", "utf-8"],
  ["latin-1", "iso-8859-1"],
  ["latin1", "iso-8859-1"],
  ["iso8859-1", "iso-8859-1"],
  ["iso_8859-1", "iso-8859-1"],
  ["iso-8859-8-i", "iso-8859-8"],
  ["cp932", "shift_jis"],
  ["cp936", "gbk"],
  ["cp949", "euc-kr"],
  ["uhc", "euc-kr"],
  ["cp950", "big5"],
  ["mac-roman", "macintosh"],
  ["macroman", "macintosh"],
  ["ibm437", "cp437"],
  ["ibm850", "cp850"],
  ["ibm852", "cp852"],
]);

/** The encoding that a label means, in any case: its own name, a label of the standard or an alias. */
export function encodingNamed(label: string): Encoding | undefined {
  const plain = label.trim().toLowerCase();
  const own = ALIASES.get(plain) ?? ENCODINGS.find((name) => name === plain);
  if (own) return own;
  try {
    const { encoding } = new TextDecoder(plain);
    return ENCODINGS.find((name) => name === encoding);
  } catch {
    return undefined;
  }
}

/** What is wrong with a label that `encodingNamed` does not know, and the name that it may mean. */
export function unknownEncoding(label: string): string {
  const plain = label.trim().toLowerCase();
  const shown = `unknown encoding '${label.slice(0, 40)}'`;
  if (/^utf-?_?32/.test(plain)) return `${shown}: UTF-32 is not supported; convert the file to UTF-8`;
  const nearest = nearestOf(plain, [...ENCODINGS, ...ALIASES.keys()]);
  if (nearest !== undefined) return `${shown}: did you mean '${nearest}'?`;
  return `${shown}: use a label of the WHATWG Encoding Standard, e.g. utf-8, windows-1252, shift_jis or gb18030`;
}

/** How a file's text is encoded, and how sure that is. Plain JSON. */
export interface FoundEncoding {
  readonly encoding: Encoding;
  /** 0 to 1; 1 if certain or declared. */
  readonly confidence: number;
  /** Why, in words. */
  readonly evidence: string;
  /** Why the text may read wrongly, in words; undefined: no doubt. */
  readonly doubt?: string;
}
