import type { ColumnDefinition } from "../../../columns.ts";
import type { Encoding } from "../../../text/encoding.ts";
import type { Doubt, Finding } from "../../format.ts";
import { declaredHeaderRows, DELIMITERS, type Dialect, type DialectRequest } from "../options.ts";
import { candidatesIn, isUsual, type Candidate } from "./candidates.ts";
import { aboveFooter } from "./footer/declared.ts";
import { findingsOf, type Reading } from "./findings.ts";
import { forgetKinds } from "./kinds.ts";
import { knownColumns, type KnownColumns } from "./known.ts";
import { scoreOf, scoreOfOneColumn } from "./score.ts";
import { sepLineOf, type SepLine } from "./sep-line.ts";
import { split, type Sample } from "./split.ts";
import type { FoundTable, TableRequest } from "./rows.ts";
import { tableIn } from "./table.ts";

/** What is known before the text is looked at. */
export interface StructureInput {
  /** The beginning of the file's text, of whole lines; or the whole file (`complete`). */
  text: string;
  complete: boolean;
  encoding: Encoding;
  requested: DialectRequest;
  /** How the table's first file was written. */
  pinned?: Dialect | undefined;
  /** The table's columns. */
  known?: readonly ColumnDefinition[] | undefined;
}

export interface Structure {
  dialect: Dialect;
  /** 0 to 1: the least certain of the findings. */
  confidence: number;
  evidence: readonly Finding[];
  doubts: readonly Doubt[];
  /** False: the rows that were looked at are not all rows, so that a footer may follow. */
  endSeen: boolean;
}

/** Part of the sample in which dialects are compared; the best one then reads all of it. */
const COMPARED_CHARS_MAX = 48 * 1024;
const COMPARED_ROWS_MAX = 150;
/** Rows from which the best one finds the table: of a whole file, and of a longer one. */
const ROWS_MAX = 5_000;
const READ_ROWS_MAX = 500;

/**
 * Finds the table in the beginning of a file, as a person does: tries the dialects that the text
 * suggests, and takes the one under which the rows are most regular and the cells most like values. What
 * is known of the table weighs most: a dialect under which the file shows the table's own columns wins.
 * What the sender declares always holds. Pure, deterministic, and bounded in time by the constants of
 * this folder.
 */
export function detectStructure(input: StructureInput): Structure {
  try {
    return asFirst(input, detect(input));
  } finally {
    forgetKinds();
  }
}

/**
 * Columns without names say little about a file. If it would be read as the table's first file was, were it
 * the first one, that reading counts: a file that is sent again gives the same rows.
 */
function asFirst(input: StructureInput, found: Structure): Structure {
  const { pinned, known = [] } = input;
  const isOwn = ({ delimiter, quote, header }: Dialect): boolean =>
    delimiter === pinned?.delimiter && quote === pinned.quote && header === pinned.header;
  if (pinned === undefined || !knownColumns(known).unnamed || isOwn(found.dialect)) return found;
  const first = detect({ ...input, pinned: undefined, known: [] });
  return isOwn(first.dialect) ? first : found;
}

function detect(input: StructureInput): Structure {
  const { complete, requested, pinned } = input;
  const text = complete ? aboveFooter(input.text, requested.footer) : input.text;
  const known = knownColumns(input.known ?? []);
  const sep = requested.delimiter === undefined || requested.skipRows === undefined ? sepLineOf(text) : undefined;
  const splitting = { ...requested, delimiter: requested.delimiter ?? sep?.delimiter };
  const place = placeOf(requested, sep);
  const compared = wholeLines(text, COMPARED_CHARS_MAX);
  const isAll = complete && compared.length === text.length;
  const readings = candidatesIn(belowSep(compared, sep), splitting, pinned).flatMap((candidate) =>
    readingOf(split(compared, candidate, COMPARED_ROWS_MAX, isAll), candidate, known, place),
  );
  const naming = readings.map((reading) => withOwnNames(reading, pinned, known));
  const ranked = rank(naming, pinned, known);
  const one = oneColumn({ ...input, text: compared, complete: isAll }, known, place);
  const best = choose(ranked, one, splitting.delimiter !== undefined, pinned);
  const candidate = { ...best.candidate, trimBlanks: best.candidate.trimBlanks || isPadded(best, requested) };
  // Only the end of the file shows a footer.
  const sample = split(text, candidate, complete ? ROWS_MAX : READ_ROWS_MAX, complete);
  const [reading = best] = readingOf(sample, candidate, known, place);
  const runnerUp = ranked.find((other) => !reading.candidate.delimiter.includes(other.candidate.delimiter));
  const found = findingsOf({ reading, runnerUp, requested, sep, one: one.score.total });
  return { dialect: dialectOf(reading, input, sep), ...found, endSeen: sample.complete };
}

/** The text in front of which the table is looked for. A line `sep=` is no part of it. */
function placeOf(requested: DialectRequest, sep: SepLine | undefined): TableRequest {
  const { skipRows, footer, comment, rowNames, trailingDelimiter, leadingDelimiter, dropBlankNames } = requested;
  return {
    ...{
      comment,
      rowNames,
      trailingDelimiter,
      leadingDelimiter,
      dropBlankNames,
      headerRows: declaredHeaderRows(requested),
      delimiterDeclared: requested.delimiter !== undefined,
      quoteDeclared: requested.quote !== undefined,
    },
    skipRows: typeof skipRows === "number" ? skipRows : undefined,
    ...(footer === undefined ? {} : { footerRows: 0 }),
    ...(sep === undefined ? {} : { sepLines: 1 }),
  };
}

const belowSep = (text: string, sep: SepLine | undefined): string => (sep ? text.slice(sep.text.length) : text);

function wholeLines(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const end = Math.max(text.lastIndexOf("\n", charsMax), text.lastIndexOf("\r", charsMax)) + 1;
  return text.slice(0, end > 0 ? end : charsMax);
}

function readingOf(sample: Sample, candidate: Candidate, known: KnownColumns, place: TableRequest): Reading[] {
  const table = tableIn(sample, known, place);
  return table ? [{ candidate, table, score: scoreOf(table, candidate.prior, known) }] : [];
}

const isOwnDialect = ({ candidate }: Reading, pinned: Dialect | undefined): boolean =>
  candidate.delimiter === pinned?.delimiter && candidate.quote === pinned.quote;

/**
 * In the table's own dialect, a header with all of its columns counts as exactly its header. It may name
 * columns that the table lacks, because they have had no value yet.
 */
function withOwnNames(reading: Reading, pinned: Dialect | undefined, { columns }: KnownColumns): Reading {
  const { score } = reading;
  const isWhole = columns.length > 0 && score.named === columns.length && isOwnDialect(reading, pinned);
  return isWhole ? { ...reading, score: { ...score, named: columns.length + 1 } } : reading;
}

/** Best first. The table's columns weigh most, then the score; the table's own dialect wins near ties. */
function rank(readings: readonly Reading[], pinned: Dialect | undefined, known: KnownColumns): Reading[] {
  const isOwn = (reading: Reading): boolean => isOwnDialect(reading, pinned);
  const weight = (reading: Reading): number => {
    const { score, table } = reading;
    const own = isOwn(reading) && table.width > 1 && table.even >= 0.9 ? 1.3 : 1;
    const fit = score.fit >= 0.8 && known.columns.length > 1 ? 1.5 : 1;
    return score.total * own * fit * (isWithinLonger(reading, readings) ? 0.5 : 1);
  };
  // The table's own dialect names its columns: no other that names as many is better.
  const sure = (reading: Reading): number => Number(reading.score.named > 0 && isOwn(reading));
  return [...readings].sort((a, b) => b.score.named - a.score.named || sure(b) - sure(a) || weight(b) - weight(a));
}

/** True if the delimiter is part of a longer one that splits the text as well: | within ||. */
const isWithinLonger = ({ candidate: { delimiter }, table }: Reading, readings: readonly Reading[]): boolean =>
  readings.some(
    ({ candidate: { delimiter: longer }, table: other }) =>
      longer.length > delimiter.length && longer.includes(delimiter) && other.width > 1 && other.even >= table.even,
  );

function choose(ranked: readonly Reading[], one: Reading, declared: boolean, pinned: Dialect | undefined): Reading {
  const [best] = ranked;
  if (!best) return one;
  if (declared) return best;
  // Of two headers that name as many columns, the first one counts.
  const own = one.candidate.delimiter === pinned?.delimiter;
  const isOwn = isOwnDialect(best, pinned);
  const isLater = !isOwn && best.table.skippedRows > one.table.skippedRows;
  const later = own || best.table.headerCells.length < 2 || isLater;
  if (one.score.named > best.score.named || (one.score.named === best.score.named && one.score.named > 0 && later)) {
    return one;
  }
  if (best.score.named > 0) return best;
  if (best.table.width < 2) return one;
  // Lines like `1,5` are numbers, too. Where all lines split alike, the header as well, they are two.
  const { header, body, even, headerCells } = best.table;
  const isSplit = 1 + body.filter(({ count }) => count > 1).length >= (1 + body.length) / 2;
  const regular = even >= 0.9 || (header.rows > 0 && header.certain && headerCells.length > 1 && isSplit);
  const splitsAll =
    isUsual(best.candidate.delimiter) && regular && (best.table.titleRows === 0 || hasNames(best.table));
  return splitsAll || best.score.total >= one.score.total ? best : one;
}

/**
 * True if a header below titles has as many names as all rows have fields, and no comma of a sentence, which
 * a blank follows.
 */
function hasNames({ header, headerCells, width, body, even }: FoundTable): boolean {
  if (header.rows === 0 || headerCells.length !== width) return false;
  if (header.certain) return true;
  const isSentence = (cells: readonly string[]): boolean => cells.slice(1).some((cell) => cell.startsWith(" "));
  return even === 1 && body.length > 1 && ![headerCells, ...body.map(({ cells }) => cells)].some(isSentence);
}

/** The file as one column, with a delimiter that its text does not have. */
function oneColumn(
  { text, complete, pinned, requested }: StructureInput,
  known: KnownColumns,
  place: TableRequest,
): Reading {
  const all = [...(pinned ? [pinned.delimiter] : []), ...DELIMITERS, "\x1f"];
  const delimiter = requested.delimiter ?? all.find((one) => !text.includes(one)) ?? ",";
  const quote = requested.quote === undefined ? '"' : requested.quote;
  const escape = requested.escape ?? quote ?? '"';
  const candidate = { delimiter, quote, escape, trimBlanks: requested.trimBlanks ?? false, prior: 1 };
  const sample = split(text, candidate, COMPARED_ROWS_MAX, complete);
  const table = tableIn(sample, known, place) ?? EMPTY_TABLE;
  const score = { ...scoreOf(table, 1, known), total: scoreOfOneColumn(sample.rows) };
  return { candidate, table, score };
}

const EMPTY_TABLE: FoundTable = {
  width: 1,
  header: { rows: 1, skipped: 0, confidence: 1, evidence: "the file has no rows", certain: false, named: 0 },
  headerCells: [],
  names: [],
  firstLine: 1,
  body: [],
  footer: { rows: 0, confidence: 1 },
  blankRows: 0,
  comment: undefined,
  commentsAbove: 0,
  skippedRows: 0,
  titleRows: 0,
  trailingDelimiter: false,
  leadingDelimiter: false,
  rowNames: false,
  dropBlankNames: false,
  headerText: "",
  belowOneName: false,
  even: 1,
  short: 0,
  coverage: 1,
  doubts: () => [],
};

/** True if nearly every field after the first begins with a blank: `1, Oslo, 3`; or if columns are drawn. */
function isPadded({ candidate, table }: Reading, { trimBlanks }: DialectRequest): boolean {
  const { body, leadingDelimiter, trailingDelimiter } = table;
  if (trimBlanks !== undefined) return false;
  if (leadingDelimiter && trailingDelimiter && /[|│]/.test(candidate.delimiter)) return true;
  let [padded, count] = [0, 0];
  for (const { cells, quoted } of body.slice(0, COMPARED_ROWS_MAX)) {
    for (let at = 1; at < Math.min(cells.length, 500); at++) {
      if (quoted[at] || cells[at]!.trim() === "") continue;
      count++;
      if (/^ +[^ ]/.test(cells[at]!)) padded++;
    }
  }
  return count > 0 && padded >= 0.9 * count;
}

function dialectOf({ candidate, table }: Reading, input: StructureInput, sep: SepLine | undefined): Dialect {
  const { requested, encoding } = input;
  const { delimiter, quote, escape, trimBlanks } = candidate;
  const { header, footer, firstLine } = table;
  const above = table.skippedRows > 0 ? firstLine - 1 : 0;
  const skipRows = typeof requested.skipRows === "number" ? requested.skipRows : Math.max(above, sep ? 1 : 0);
  const comment = requested.comment === undefined ? table.comment : requested.comment;
  return {
    ...{ delimiter, quote, escape, header: header.rows > 0, encoding },
    ...(header.rows > 1 ? { headerRows: header.rows } : {}),
    ...(skipRows > 0 ? { skipRows } : {}),
    ...(requested.footer ? { footer: requested.footer } : footer.rows > 0 ? { footerRows: footer.rows } : {}),
    ...(comment ? { comment } : {}),
    ...(table.rowNames ? { rowNames: true } : {}),
    ...(table.trailingDelimiter ? { trailingDelimiter: true } : {}),
    ...(table.leadingDelimiter ? { leadingDelimiter: true } : {}),
    ...(table.dropBlankNames ? { dropBlankNames: true } : {}),
    ...(trimBlanks ? { trimBlanks: true } : {}),
  };
}
