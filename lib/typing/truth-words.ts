import { FALSE_WORDS, TRUE_WORDS, trim, type Scan } from "./scan.ts";

/** The boolean of each word, in lower case. */
export type TruthWords = ReadonlyMap<string, boolean>;

/** A contract's words; where it names none for true or for false, the usual ones. */
export function truthWords(
  trueWords: readonly string[] = [...TRUE_WORDS, "1"],
  falseWords: readonly string[] = [...FALSE_WORDS, "0"],
): TruthWords {
  return new Map([
    ...falseWords.map((word) => [word.trim().toLowerCase(), false] as const),
    ...trueWords.map((word) => [word.trim().toLowerCase(), true] as const),
  ]);
}

/** Longer texts are not words. */
const WORD_BYTES_MAX = 400;

/** Reads one of the words into the scan, in any case. False if it is none, or empty. */
export function scanWord(
  words: TruthWords,
  bytes: Uint8Array,
  { start, end }: { start: number; end: number },
  scan: Scan,
): boolean {
  trim(bytes, start, end, scan);
  const length = scan.end - scan.start;
  if (length === 0 || length > WORD_BYTES_MAX) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + scan.start, length).toString("utf8");
  const found = words.get(text.toLowerCase());
  scan.boolean = found === true;
  return found !== undefined;
}
