import type { Encoding } from "../../text/encoding.ts";
import { classify, KIND, newScan } from "../../typing/scan.ts";
import { declaredHeaderRows, DELIMITERS, type Dialect, type DialectRequest } from "./options.ts";

export type { Dialect };

export type DetectedDialect = Dialect & {
  /** 0 to 1: share of sample rows with as many fields as the first; 1 if the delimiter was declared. */
  confidence: number;
};

/** How one delimiter and quote would split the sample. */
interface Candidate {
  delimiter: string;
  quote: string;
  /** The rows' first fields, at most ROW_FIELDS_MAX of each. */
  rows: string[][];
  /** Fields of the first row. */
  width: number;
  /** Share of rows that have `width` fields. */
  consistency: number;
  /** Number of properly quoted fields. */
  quoted: number;
}

const SAMPLE_ROWS_MAX = 500;
/** Fields of a sample row that are kept; all are counted. As many as columns of a file can be allowed. */
const ROW_FIELDS_MAX = 5_000;

/**
 * Detects the dialect of a file from the beginning of its text (a binary string of whole lines, or the whole
 * file). Pure. The first rule that applies decides: the requested dialect; the table's pinned dialect, if the
 * text fits it; the delimiter that splits most evenly, which means that most rows have as many fields as the
 * first. Ties go to the rarer character: commas occur in text and decimals by chance, tabs do not. Without a
 * request, a header is assumed unless `firstRowIsData`.
 */
export function detectDialect(
  text: string,
  encoding: Encoding,
  requested: DialectRequest = {},
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
  const headerRows = declaredHeaderRows(requested);
  return {
    delimiter: chosen.delimiter,
    quote,
    escape: requested.escape ?? (pinned && pinned.quote === quote ? pinned.escape : escapeIn(text, quote)),
    header: headerRows === undefined ? !firstRowIsData(rows) : headerRows > 0,
    encoding,
    confidence: requested.delimiter ? 1 : best ? best.consistency : 0.5,
  };
}

/** The candidate that best splits the text into columns; undefined if the file has one column. */
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

/**
 * Evidence for the candidate's quote. Apostrophes count as quotes only if about every row has a field in
 * them.
 */
const quoting = ({ quote, quoted, rows }: Candidate): number =>
  quote === "'" && quoted < Math.max(1, rows.length) ? -1 : quoted;

/** For files of one column: a delimiter that does not occur in the text. */
function absentDelimiter(text: string, pinned: Pick<Dialect, "delimiter"> | undefined): string {
  if (pinned && !text.includes(pinned.delimiter)) return pinned.delimiter;
  return DELIMITERS.find((delimiter) => !text.includes(delimiter)) ?? ",";
}

/**
 * Splits the sample, respecting quotes. Leaves out a last row with an open quote: the sample ends within it.
 */
function candidateOf(text: string, delimiter: string, quote: string): Candidate {
  const delimiterCode = delimiter.charCodeAt(0);
  const quoteCode = quote === "" ? -1 : quote.charCodeAt(0);
  const rows: string[][] = [];
  const widths: number[] = [];
  let [row, fields, quoted, at]: [string[], number, number, number] = [[], 0, 0, 0];
  while (at < text.length && rows.length < SAMPLE_ROWS_MAX) {
    const field = fieldAt(text, at, delimiterCode, quoteCode);
    if (field.quoted) quoted++;
    if (++fields <= ROW_FIELDS_MAX) row.push(text.slice(field.start, field.end));
    at = field.next;
    if (field.last) {
      if (fields > 1 || row[0] !== "") {
        rows.push(row);
        widths.push(fields);
      }
      [row, fields] = [[], 0];
    }
  }
  const width = widths[0] ?? 0;
  const even = widths.filter((own) => own === width).length;
  return { delimiter, quote, rows, width, consistency: rows.length === 0 ? 0 : even / rows.length, quoted };
}

interface Field {
  /** The field's text: from `start` to `end`, without quotes. */
  start: number;
  end: number;
  /** True if the field is properly quoted. */
  quoted: boolean;
  /** Position of the next field. */
  next: number;
  /** True for the last field of its row. */
  last: boolean;
}

const LF = 10;
const CR = 13;
const BACKSLASH = 92;

/** Reads the field at `start`; characters are codes, because comparing texts is much slower. */
function fieldAt(text: string, start: number, delimiter: number, quote: number): Field {
  let at = start;
  let quoted = false;
  if (text.charCodeAt(at) === quote) {
    const close = closingQuote(text, at + 1, delimiter, quote);
    quoted = close < text.length && endsField(text.charCodeAt(close + 1), delimiter);
    if (quoted) at = close + 1;
  }
  while (!endsField(text.charCodeAt(at), delimiter)) at++;
  const inner = quoted ? 1 : 0;
  const isCrLf = text.charCodeAt(at) === CR && text.charCodeAt(at + 1) === LF;
  return {
    start: start + inner,
    end: at - inner,
    quoted,
    next: at + (isCrLf ? 2 : 1),
    last: text.charCodeAt(at) !== delimiter,
  };
}

/** `code` is NaN after the end of the text. */
const endsField = (code: number, delimiter: number): boolean =>
  code === delimiter || code === LF || code === CR || Number.isNaN(code);

function closingQuote(text: string, from: number, delimiter: number, quote: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== quote && code !== BACKSLASH) continue;
    const isNextQuote = text.charCodeAt(at + 1) === quote;
    if (code === BACKSLASH && isNextQuote && !endsField(text.charCodeAt(at + 2), delimiter)) at++;
    else if (code === quote && isNextQuote) at++;
    else if (code === quote) return at;
  }
  return text.length;
}

/** The backslash if quotes inside text are written \" and never doubled; else the quote itself. */
function escapeIn(text: string, quote: string | null): string {
  if (quote === null || quote === "") return '"';
  return quotesInside(text, "\\", quote) && !quotesInside(text, quote, quote) ? "\\" : quote;
}

/**
 * True if a quote after this escape stands inside text. An escaped quote before a delimiter or line end may
 * close a field that ends with a backslash; a doubled one at the start of a field may be an empty field.
 */
function quotesInside(text: string, escape: string, quote: string): boolean {
  const pair = escape + quote;
  for (let at = text.indexOf(pair); at >= 0; at = text.indexOf(pair, at + 1)) {
    const [before, after] = [text[at - 1], text[at + 2]];
    if (escape !== quote) {
      if (!ENDS.has(after) && !text.startsWith(pair, at + 2)) return true;
    } else if (before !== quote && after !== quote && !ENDS.has(before) && after !== undefined) return true;
  }
  return false;
}

const ENDS: ReadonlySet<string | undefined> = new Set([...DELIMITERS, "\r", "\n", undefined]);

const DATA_KINDS = KIND.DECIMAL | KIND.DOUBLE | KIND.DATE | KIND.TIMESTAMP | KIND.TIMESTAMP_TZ | KIND.BOOLEAN;

/**
 * True if the first row is certainly data. A wrong guess would lose a row or invent one, so a header is
 * assumed unless there are at least two rows, every field of the first is of the same kind as those below it,
 * and one of them is a date, a timestamp, a decimal or a boolean. Headers may be words or numbers (2023,
 * 2024), but not dates above dates or decimals above decimals.
 */
export function firstRowIsData(rows: readonly string[][]): boolean {
  const [first, ...rest] = rows;
  if (!first || rest.length === 0) return false;
  const kinds = first.map(kindOf);
  if (!kinds.some((kind) => (kind & DATA_KINDS) !== 0)) return false;
  // By row, not by column: short rows below a wide first row cost nothing.
  const below = kinds.map(() => new Set<number>());
  for (const row of rest) {
    for (let index = 0; index < Math.min(row.length, kinds.length); index++) below[index]!.add(kindOf(row[index]!));
  }
  return kinds.every((kind, index) => {
    const others = below[index]!;
    others.delete(KIND.EMPTY);
    if (kind === KIND.EMPTY) return true;
    if (kind === KIND.TEXT) return others.has(kind) || others.size === 0;
    return others.size === 1 && others.has(kind);
  });
}

const scan = newScan();

function kindOf(text: string): number {
  const bytes = Buffer.from(text, "latin1");
  return classify(bytes, 0, bytes.length, scan);
}
