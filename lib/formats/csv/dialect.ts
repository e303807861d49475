import type { Encoding } from "../../text/encoding.ts";
import { classify, KIND, newScan } from "../../typing/scan.ts";

export const DELIMITERS = [",", ";", "\t", "|"] as const;
export type Delimiter = (typeof DELIMITERS)[number];

/** How a CSV file is written. */
export type Dialect = {
  delimiter: Delimiter;
  /** null: quotes have no meaning. */
  quote: string | null;
  /** Inside quotes: takes the special meaning from the next character, usually a quote. */
  escape: string;
  header: boolean;
  encoding: Encoding;
};

export type DetectedDialect = Dialect & {
  /** 0 to 1: share of sample rows with as many fields as the first; 1 if the delimiter was declared. */
  confidence: number;
};

/** Declared options; what is missing is detected. */
export type DialectRequest = { [Key in keyof Dialect]?: Dialect[Key] | undefined };

/** How one delimiter and quote would split the sample. */
interface Candidate {
  delimiter: Delimiter;
  quote: string;
  rows: string[][];
  /** Fields of the first row. */
  width: number;
  /** Share of rows that have `width` fields. */
  consistency: number;
  /** Number of properly quoted fields. */
  quoted: number;
}

const SAMPLE_ROWS_MAX = 500;

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
  return {
    delimiter: chosen.delimiter,
    quote,
    escape: requested.escape ?? (pinned && pinned.quote === quote ? pinned.escape : escapeIn(text, quote)),
    header: requested.header ?? !firstRowIsData(rows),
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
function absentDelimiter(text: string, pinned: Pick<Dialect, "delimiter"> | undefined): Delimiter {
  if (pinned && !text.includes(pinned.delimiter)) return pinned.delimiter;
  return DELIMITERS.find((delimiter) => !text.includes(delimiter)) ?? ",";
}

/**
 * Splits the sample, respecting quotes. Leaves out a last row with an open quote: the sample ends within it.
 */
function candidateOf(text: string, delimiter: Delimiter, quote: string): Candidate {
  const rows: string[][] = [];
  let [row, quoted, at]: [string[], number, number] = [[], 0, 0];
  while (at < text.length && rows.length < SAMPLE_ROWS_MAX) {
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
  /** True if the field is properly quoted. */
  quoted: boolean;
  /** Position of the next field. */
  next: number;
  /** True for the last field of its row. */
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

/** The backslash if quotes inside text are written \" and never doubled; else the quote itself. */
function escapeIn(text: string, quote: string | null): string {
  if (quote === null || quote === "") return '"';
  const escaped = text.split(`\\${quote}`).slice(1);
  // A \" before a delimiter or line end closes a field that ends with a backslash.
  const inside = escaped.filter((rest) => !/^(?:[,;\t|\r\n]|$)/.test(rest)).length;
  return inside > 0 && !new RegExp(`[^,;\\t|\\r\\n${quote}]${quote}${quote}[^${quote}]`).test(text) ? "\\" : quote;
}

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
