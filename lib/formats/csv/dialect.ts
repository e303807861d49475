import type { DialectOverride } from "../../contract/contract.ts";
import type { Encoding } from "../../text/encoding.ts";
import { classify, KIND, newScan } from "../../typing/scan.ts";

export const DELIMITERS = [",", ";", "\t", "|"] as const;
export type Delimiter = (typeof DELIMITERS)[number];

/** How a file is written. */
export interface Dialect {
  delimiter: Delimiter;
  /** null: quotes have no meaning. */
  quote: string | null;
  /** Inside quotes, makes the next character (a quote, as a rule) mean itself. */
  escape: string;
  header: boolean;
  encoding: Encoding;
}

export interface DetectedDialect extends Dialect {
  /** 0…1: the share of sample rows with as many fields as the first. 1 where everything was given. */
  confidence: number;
}

/** How one delimiter and quote would split the sample. */
interface Candidate {
  delimiter: Delimiter;
  quote: string;
  rows: string[][];
  /** Fields of the first row. */
  width: number;
  /** Share of rows that have `width` fields. */
  consistency: number;
  /** Fields that stand properly in quotes. */
  quoted: number;
}

const ROWS_LOOKED_AT = 500;

/**
 * The dialect of a file by the beginning of its text (as a string of bytes, whole lines unless it is the whole file). Pure.
 * What `requested` says holds; else the table's pinned dialect, if the text fits it; else the delimiter that splits most evenly:
 * most rows having as many fields as the first, the rarer character first (`,` stands in text and decimals by chance, tabs never).
 * A header is assumed unless the first row is plainly data: see `firstRowIsData`.
 */
export function detectDialect(
  text: string,
  encoding: Encoding,
  requested: DialectOverride = {},
  pinned?: Pick<Dialect, "delimiter" | "quote" | "escape">,
): DetectedDialect {
  const quotes = requested.quote === undefined ? ['"', "'"] : [requested.quote ?? ""];
  const delimiters = requested.delimiter ? [requested.delimiter] : DELIMITERS;
  const candidates = delimiters.flatMap((delimiter) => quotes.map((quote) => candidateOf(text, delimiter, quote)));
  const best = choose(candidates, pinned);
  const chosen = best ?? {
    ...candidates[0]!,
    delimiter: requested.delimiter ?? absentDelimiter(text, pinned),
    quote: quotes[0]!,
  };
  const quote = requested.quote === undefined ? chosen.quote : requested.quote;
  const rows = best ? chosen.rows : candidateOf(text, chosen.delimiter, chosen.quote).rows;
  return {
    delimiter: chosen.delimiter,
    quote,
    escape: requested.escape ?? (pinned && pinned.quote === quote ? pinned.escape : escapeIn(text, quote)),
    header: requested.header ?? !firstRowIsData(rows),
    encoding,
    confidence: requested.delimiter ? 1 : best ? best.consistency : 0.5,
  };
}

/** The candidate that splits the text into columns; undefined if none does: the file has one column. */
function choose(
  candidates: readonly Candidate[],
  pinned: Pick<Dialect, "delimiter" | "quote"> | undefined,
): Candidate | undefined {
  const splitting = candidates.filter(({ width, consistency }) => width >= 2 && consistency >= 0.5);
  const fitting = splitting.find(
    ({ delimiter, quote, consistency }) =>
      delimiter === pinned?.delimiter && quote === pinned.quote && consistency >= 0.9,
  );
  if (fitting) return fitting;
  const rarity = (candidate: Candidate): number => ["\t", "|", ";", ","].indexOf(candidate.delimiter);
  return splitting.sort(
    (a, b) =>
      Math.round(b.consistency * 20) - Math.round(a.consistency * 20) ||
      Number(b.rows.length > 1) * (rarity(a) - rarity(b)) ||
      quoting(b) - quoting(a) ||
      b.width - a.width ||
      rarity(a) - rarity(b) ||
      (a.quote === '"' ? -1 : 1),
  )[0];
}

/** How much speaks for the candidate's quote. Apostrophes mean something only if they enclose a field in every row or so. */
const quoting = ({ quote, quoted, rows }: Candidate): number =>
  quote === "'" && quoted < Math.max(1, rows.length) ? -1 : quoted;

/** One column: a delimiter that does not occur keeps its text whole. */
function absentDelimiter(text: string, pinned: Pick<Dialect, "delimiter"> | undefined): Delimiter {
  if (pinned && !text.includes(pinned.delimiter)) return pinned.delimiter;
  return DELIMITERS.find((delimiter) => !text.includes(delimiter)) ?? ",";
}

/** Splits the sample, quotes minded; the last row is left out if the text was cut within it, which shows as an open quote. */
function candidateOf(text: string, delimiter: Delimiter, quote: string): Candidate {
  const rows: string[][] = [];
  let [row, quoted, at]: [string[], number, number] = [[], 0, 0];
  while (at < text.length && rows.length < ROWS_LOOKED_AT) {
    const field = fieldAt(text, at, delimiter, quote);
    if (field.quoted) quoted++;
    row.push(field.value);
    at = field.next;
    if (field.last) {
      if (row.length > 1 || row[0] !== "") rows.push(row);
      row = [];
    }
  }
  const width = rows[0]?.length ?? 0;
  const even = rows.filter(({ length }) => length === width).length;
  return { delimiter, quote, rows, width, consistency: rows.length === 0 ? 0 : even / rows.length, quoted };
}

interface Field {
  value: string;
  /** Stands properly in quotes. */
  quoted: boolean;
  /** Where the next field begins. */
  next: number;
  /** Last of its row. */
  last: boolean;
}

function fieldAt(text: string, start: number, delimiter: string, quote: string): Field {
  let at = start;
  let quoted = false;
  if (quote !== "" && text[at] === quote) {
    const close = closingQuote(text, at + 1, delimiter, quote);
    quoted = close < text.length && endsField(text[close + 1], delimiter);
    if (quoted) at = close + 1;
  }
  while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at++;
  const value = quoted ? text.slice(start + 1, at - 1) : text.slice(start, at);
  const last = text[at] !== delimiter;
  if (text[at] === "\r" && text[at + 1] === "\n") at++;
  return { value, quoted, next: at + 1, last };
}

const endsField = (after: string | undefined, delimiter: string): boolean =>
  after === undefined || after === delimiter || after === "\n" || after === "\r";

function closingQuote(text: string, from: number, delimiter: string, quote: string): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\" && text[at + 1] === quote && !endsField(text[at + 2], delimiter)) at++;
    else if (text[at] === quote && text[at + 1] === quote) at++;
    else if (text[at] === quote) return at;
  }
  return text.length;
}

/** Backslash, if quotes inside of words are written \" and never doubled; else the quote itself. */
function escapeIn(text: string, quote: string | null): string {
  if (quote === null || quote === "") return '"';
  const escaped = text.split(`\\${quote}`).slice(1);
  // \" before a delimiter or line end is a field that ends in a backslash.
  const inside = escaped.filter((rest) => !/^(?:[,;\t|\r\n]|$)/.test(rest)).length;
  return inside > 0 && !new RegExp(`[^,;\\t|\\r\\n${quote}]${quote}${quote}[^${quote}]`).test(text) ? "\\" : quote;
}

const DATA_KINDS = KIND.DECIMAL | KIND.DOUBLE | KIND.DATE | KIND.TIMESTAMP | KIND.TIMESTAMP_TZ | KIND.BOOLEAN;

/**
 * Is the first row data, beyond doubt? A header guessed wrongly would swallow a row (or make one), so a header is assumed unless
 * there are at least two rows, every field of the first is of the same kind as those below it, and one of them is a date, a
 * timestamp, a decimal or a boolean: headers may be words and numbers (2023, 2024), but no dates above dates or decimals above decimals.
 */
export function firstRowIsData(rows: readonly string[][]): boolean {
  const [first, ...rest] = rows;
  if (!first || rest.length === 0) return false;
  const kinds = first.map(kindOf);
  if (!kinds.some((kind) => (kind & DATA_KINDS) !== 0)) return false;
  return kinds.every((kind, index) => {
    const below = rest.map((row) => kindOf(row[index] ?? "")).filter((other) => other !== KIND.EMPTY);
    if (kind === KIND.EMPTY || kind === KIND.TEXT)
      return kind === KIND.TEXT ? below.includes(kind) || below.length === 0 : true;
    return below.length > 0 && below.every((other) => other === kind);
  });
}

const scan = newScan();

function kindOf(text: string): number {
  const bytes = Buffer.from(text, "latin1");
  return classify(bytes, 0, bytes.length, scan);
}
