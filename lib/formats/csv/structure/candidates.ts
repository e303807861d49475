import { DELIMITERS } from "../options.ts";
import { firstLines, type SplitDialect } from "./split.ts";

/** A way in which the text may be written. */
export interface Candidate extends SplitDialect {
  /** 0 to 1: how usual the delimiter is. */
  prior: number;
}

/** What the sender declares, as far as it decides how rows are split. */
export interface SplitRequest {
  delimiter?: string | undefined;
  quote?: string | null | undefined;
  escape?: string | undefined;
  trimBlanks?: boolean | undefined;
}

/** Lines in which delimiters are looked for. */
const LINES_MAX = 60;
const LINE_CHARS_MAX = 2_000;
/** Delimiters that are tried besides the usual ones, and dialects in all. Bounds the time. */
const UNUSUAL_MAX = 6;
const CANDIDATES_MAX = 40;

/** Characters that separate fields only, and never occur within ordinary text. */
const SEPARATORS = Array.from("^~¦§¬│\x01\x02\x03\x04\x05\x06\x07\x08\x1c\x1d\x1e\x1f");
/** Characters that occur within text, too. */
const PUNCTUATION = Array.from(":*#!&=$");

export const isUsual = (delimiter: string): boolean => (DELIMITERS as readonly string[]).includes(delimiter);

/** Every dialect that the text or the sender suggests, with the most usual first. */
export function candidatesIn(text: string, requested: SplitRequest, pinned?: SplitRequest): Candidate[] {
  const lines = firstLines(text, LINES_MAX, LINE_CHARS_MAX);
  const delimiters = requested.delimiter === undefined ? delimitersIn(lines, pinned) : [requested.delimiter];
  const found = delimiters.flatMap((delimiter) =>
    quotesIn(lines, delimiter, requested).flatMap((quote) =>
      escapesIn(text, quote, requested, pinned).flatMap((escape) =>
        blanksIn(lines, delimiter, quote, requested).map((trimBlanks) => ({
          ...{ delimiter, quote, escape, trimBlanks },
          prior: requested.delimiter === undefined ? priorOf(delimiter) : 1,
        })),
      ),
    ),
  );
  return found.slice(0, CANDIDATES_MAX);
}

function delimitersIn(lines: readonly string[], pinned?: SplitRequest): string[] {
  const several = severalIn(lines);
  const usual = DELIMITERS.filter((delimiter) => lines.some((line) => line.includes(delimiter)));
  const text = lines.join("\n");
  const unquoted = lines.map((line) => line.replace(/"[^"]*"/g, ""));
  const marks = [...SEPARATORS, " ", ...PUNCTUATION].filter((mark) => text.includes(mark));
  const singles = marks.filter((mark) => isRegular(unquoted, mark, 0.6));
  const unusual = [...several, ...singles].slice(0, UNUSUAL_MAX);
  const all = [...usual, ...unusual];
  const own = pinned?.delimiter;
  return own !== undefined && !all.includes(own) && text.includes(own) ? [own, ...all] : all;
}

/** True if the mark stands in most lines, as often in each. */
function isRegular(lines: readonly string[], mark: string, share: number): boolean {
  const counts = new Map<number, number>();
  for (const line of lines) {
    const count = countIn(line, mark);
    if (count > 0) counts.set(count, (counts.get(count) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values()) >= Math.max(1, share * lines.length);
}

const SEVERAL = /[!#$%&*:=@^|~<>]{2,4}/g;
/** Runs of these are rulers and arrows. */
const RULER = /^([=<>*])\1+$/;

/** Delimiters of several characters: runs of punctuation that stand in every line. */
function severalIn(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) {
    for (const mark of new Set(line.match(SEVERAL))) counts.set(mark, (counts.get(mark) ?? 0) + 1);
  }
  return (
    [...counts]
      .filter(([mark, count]) => count >= Math.max(1, 0.6 * lines.length) && !RULER.test(mark))
      .map(([mark]) => mark)
      // In the first line, | stands only within ||: else || is an empty field.
      .filter((mark) => countIn(lines[0]!, "|") === countIn(mark, "|") * countIn(lines[0]!, mark))
      .sort((a, b) => b.length - a.length)
      .slice(0, 3)
  );
}

const countIn = (text: string, mark: string): number => text.split(mark).length - 1;

function priorOf(delimiter: string): number {
  if (isUsual(delimiter)) return 1;
  if (delimiter === " ") return 0.75;
  return delimiter.length > 1 || SEPARATORS.includes(delimiter) ? 0.95 : 0.6;
}

/** Quotes that some fields begin and end with. The double quote always is one of them. */
function quotesIn(lines: readonly string[], delimiter: string, { quote }: SplitRequest): (string | null)[] {
  if (quote !== undefined) return [quote];
  const split = lines.map((line) => line.split(delimiter));
  const fields = split.flat().map((field) => field.trim());
  const enough = Math.max(2, lines.length / 3);
  const others = OTHER_QUOTES.filter((mark) => {
    if (delimiter.includes(mark)) return false;
    const opened = fields.filter((field) => field.length > 1 && field.startsWith(mark)).length;
    if (opened < enough || (mark !== "'" && !hasUse(mark, fields))) return false;
    return fields.filter((field) => field.length > 1 && field.endsWith(mark)).length >= enough;
  });
  const strays = split.filter((own) => own.some((field) => /^"[^"]+$/.test(field))).length;
  const none = strays >= 3 && !lines.some((line, at) => isQuoted(line.trim()) || split[at]!.some(isQuoted));
  return ['"', ...others, ...(none ? [null] : [])];
}

const isQuoted = (text: string): boolean => /^".*"$/.test(text);

/** True if the mark stands around a delimiter, or around the first name as well: `***` is not in quotes. */
function hasUse(mark: string, fields: readonly string[]): boolean {
  const isWhole = (field: string): boolean => field.length > 1 && field.startsWith(mark) && field.endsWith(mark);
  const isCut = (field: string): boolean => field.startsWith(mark) !== field.endsWith(mark);
  return isWhole(fields[0] ?? "") || fields.some((field) => field.length > 1 && isCut(field));
}

const OTHER_QUOTES = Array.from("'`~$%^*|");

function escapesIn(
  text: string,
  quote: string | null,
  { escape }: SplitRequest,
  pinned: SplitRequest | undefined,
): string[] {
  if (escape !== undefined) return [escape];
  if (quote === null) return ['"'];
  const own = pinned?.quote === quote ? (pinned.escape ?? quote) : quote;
  return [...new Set([quote, ...(text.includes(`\\${quote}`) ? ["\\"] : []), own])];
}

/** Blanks around quotes, or around all fields, are no part of them where most delimiters have one. */
function blanksIn(
  lines: readonly string[],
  delimiter: string,
  quote: string | null,
  { trimBlanks }: SplitRequest,
): boolean[] {
  if (trimBlanks !== undefined) return [trimBlanks];
  if (delimiter.trim() === "" && delimiter !== "\t") return [false];
  const padded = quote !== null && lines.some((line) => hasPaddedQuote(line, delimiter, quote));
  return padded ? [true, false] : [false];
}

function hasPaddedQuote(line: string, delimiter: string, quote: string): boolean {
  return (
    line.includes(`${delimiter} ${quote}`) ||
    line.includes(`${quote} ${delimiter}`) ||
    line.includes(`${delimiter}  ${quote}`) ||
    line.includes(`${delimiter}\t${quote}`) ||
    line.startsWith(` ${quote}`)
  );
}
