import type { Doubt, Finding } from "../../format.ts";
import { declaredHeaderRows, DELIMITERS, type DialectRequest } from "../options.ts";
import { isUsual, type Candidate } from "./candidates.ts";
import { escapeDoubt, escapedDelimiter } from "./checks/escaped-delimiter.ts";
import { oddNames } from "./checks/names.ts";
import { isPunctuation, notOneColumn, quotedLines } from "./checks/one-column.ts";
import { swallowingRow } from "./checks/swallowed-rows.ts";
import type { Score } from "./score.ts";
import type { SepLine } from "./sep-line.ts";
import type { SampleRow } from "./split.ts";
import type { FoundTable } from "./rows.ts";

/** One way to read the sample, and how good it is. */
export interface Reading {
  candidate: Candidate;
  table: FoundTable;
  score: Score;
}

interface Decided {
  reading: Reading;
  /** The best reading with another delimiter. */
  runnerUp: Reading | undefined;
  /** The score of the file as one column. */
  one: number;
  requested: DialectRequest;
  sep: SepLine | undefined;
}

/** Scores closer than this leave open which delimiter is right. */
const CLOSE = 0.85;
const DOUBTS_MAX = 5;
/** Rows below which punctuation is hardly a delimiter. */
const FEW_ROWS = 3;
/** A finding with no more confidence than this is a doubt. */
const UNSURE = 0.5;

/** Every decision with what the text shows for it, and why the whole may be wrong. */
export function findingsOf(decided: Decided): {
  confidence: number;
  evidence: readonly Finding[];
  doubts: readonly Doubt[];
} {
  const evidence = [ofDelimiter(decided), ...ofQuote(decided), ...ofPlace(decided), ...ofShape(decided)];
  const doubts = [
    ...decided.reading.table.doubts(),
    ...ofChoice(decided),
    ...ofEscape(decided),
    ...ofStrays(decided),
  ].slice(0, DOUBTS_MAX);
  const least = evidence.reduce((a, b) => (b.confidence < a.confidence ? b : a));
  const { confidence } = least;
  // Uneven rows are rejected one by one.
  const isUneven = least.option === "delimiter" && decided.reading.table.width > 1;
  if (doubts.length === 0 && confidence <= UNSURE && !isUneven) {
    doubts.push({ reason: "structure_unsure", evidence: `${least.option} is a guess: ${least.evidence}` });
  }
  return { confidence: Math.round(confidence * 100) / 100, evidence, doubts };
}

const shown = (text: string | null): string => (text === null ? "none" : JSON.stringify(text));
const percent = (share: number): string => `${Math.round(share * 100)} %`;
const lines = (count: number): string => (count === 1 ? "1 line" : `${count} lines`);

function ofDelimiter({ reading, runnerUp, requested, sep, one }: Decided): Finding {
  const { candidate, table, score } = reading;
  const option = "delimiter";
  const is = shown(candidate.delimiter);
  if (requested.delimiter !== undefined) return { option, evidence: `${is}: declared`, confidence: 1 };
  if (sep?.delimiter !== undefined) {
    return { option, evidence: `${is}: line 1 is ${shown(sep.text.slice(0, 60))}`, confidence: 1 };
  }
  if (table.width === 1 && score.named === 0) {
    const other = runnerUp && runnerUp.table.width > 1 ? runnerUp.score.total : 0;
    const evidence = "none: no delimiter splits the lines into even rows, so the file has one column";
    const isQuoted = table.body.length > 0 && table.body.every(({ quoted }) => quoted[0]);
    const isText = other >= 0.01 && one <= 0.8 && !isQuoted;
    const mark = runnerUp?.candidate.delimiter ?? "";
    const mayBeMore = isUsual(mark) && !isPunctuation(mark, table);
    return { option, evidence, confidence: !isText ? 1 : mayBeMore ? 0.5 : 0.8 };
  }
  const even = `${percent(table.even)} of ${table.body.length} rows have ${table.width} fields`;
  if (score.named > 0)
    return { option, evidence: `${is}: the header names columns of the table; ${even}`, confidence: 1 };
  const ratio = runnerUp ? runnerUp.score.total / Math.max(score.total, 1e-9) : 0;
  const next = ratio > 0.3 ? `; next best is ${shown(runnerUp!.candidate.delimiter)}` : "";
  const evidence = `${is}: ${even}, and ${percent(score.types)} of the cells look like single values${next}`;
  return { option, evidence, confidence: Math.max(0.3, table.even * (ratio > 0.6 ? 1.6 - Math.min(1, ratio) : 1)) };
}

function ofQuote({ reading: { candidate, table }, requested }: Decided): Finding[] {
  const { quote, escape } = candidate;
  const cells = table.body.reduce((sum, { quoted }) => sum + quoted.filter(Boolean).length, 0);
  const stray = table.body.filter(({ misquoted }) => misquoted > 0);
  const findings: Finding[] = [];
  const strays =
    stray.length > 0 ? `; ${stray.length} rows have a stray quote, the first on line ${stray[0]!.line}` : "";
  if (cells > 0 || strays !== "" || quote !== '"') {
    const why = requested.quote !== undefined ? "declared" : `${cells} cells are quoted${strays}`;
    findings.push({ option: "quote", evidence: `${shown(quote)}: ${why}`, confidence: 1 });
  }
  if (escape !== quote && quote !== null) {
    const why = requested.escape !== undefined ? "declared" : `quotes inside quotes are written ${escape}${quote}`;
    findings.push({ option: "escape", evidence: `${shown(escape)}: ${why}`, confidence: 1 });
  }
  return findings;
}

function ofPlace({ reading: { table }, requested, sep }: Decided): Finding[] {
  const { firstLine, header, footer, comment, commentsAbove, skippedRows, blankRows } = table;
  const findings: Finding[] = [];
  if (typeof requested.skipRows === "number") {
    findings.push({ option: "skipRows", evidence: `${requested.skipRows}: declared`, confidence: 1 });
  } else if (skippedRows > 0) {
    const kinds = [
      ...(sep ? ["a line sep="] : []),
      ...(commentsAbove > 0 ? [`${lines(commentsAbove)} that start with #`] : []),
      ...(skippedRows > commentsAbove + (sep ? 1 : 0) ? ["titles and notes"] : []),
    ];
    const evidence = `${firstLine - 1}: above the table, ${kinds.join(" and ")}`;
    findings.push({ option: "skipRows", evidence, confidence: header.rows > 0 ? 0.95 : 0.6 });
  }
  const rows =
    header.rows === 0 ? "none" : header.rows === 1 ? `line ${firstLine}` : `${header.rows} rows from line ${firstLine}`;
  findings.push({ option: "header", evidence: `${rows}: ${header.evidence}`, confidence: header.confidence });
  if (comment !== undefined) {
    const why = requested.comment === undefined ? "such lines have other fields than the rows" : "declared";
    findings.push({ option: "comment", evidence: `${shown(comment)}: ${why}`, confidence: 0.95 });
  }
  if (blankRows > 0) {
    const evidence = `${lines(blankRows)} with delimiters or blanks only, left out`;
    findings.push({ option: "blankRows", evidence, confidence: 1 });
  }
  if (footer.rows > 0) {
    const { rows: count, evidence = "declared", confidence } = footer;
    findings.push({
      option: "footer",
      evidence: `${count === 1 ? "1 row" : `${count} rows`}: ${evidence}`,
      confidence,
    });
  }
  return findings;
}

function ofShape({ reading: { table, candidate }, requested }: Decided): Finding[] {
  const findings: Finding[] = [];
  if (table.rowNames) {
    const evidence = "the header is one field shorter than the rows: their first fields are row names";
    findings.push({ option: "rowNames", evidence, confidence: table.misfit === undefined ? 0.95 : 0.5 });
  }
  if (table.trailingDelimiter) {
    const evidence = "the field after the last delimiter of a line is always empty";
    findings.push({ option: "trailingDelimiter", evidence, confidence: 0.95 });
  }
  if (table.leadingDelimiter) {
    const evidence = "the field before the first delimiter of a line is always empty, and has no name";
    findings.push({ option: "leadingDelimiter", evidence, confidence: 0.95 });
  }
  if (table.dropBlankNames) {
    const evidence = "without the blank ones, the header has as many names as the rows have fields";
    findings.push({ option: "dropBlankNames", evidence, confidence: 0.5 });
  }
  if (candidate.trimBlanks) {
    const why =
      requested.trimBlanks === undefined ? "blanks stand between delimiters and fields or quotes" : "declared";
    findings.push({ option: "trimBlanks", evidence: why, confidence: 1 });
  }
  return findings;
}

/** Another delimiter explains the text nearly as well. */
function ofChoice({ reading, runnerUp, requested, sep, one }: Decided): Doubt[] {
  const { table, score, candidate } = reading;
  if (requested.delimiter !== undefined || sep?.delimiter !== undefined || score.named > 0) return [];
  if (table.width === 1 && isSplit(table.body)) {
    const evidence =
      "the file reads as one column, although most lines have quotes or the same delimiter several times";
    return [{ reason: "structure_unsure", evidence }];
  }
  if (candidate.delimiter === " " && table.headerCells.some((cell) => cell === "")) {
    const evidence = "the lines have gaps of several blanks, like columns of a fixed width";
    return [{ reason: "structure_unsure", evidence }];
  }
  const fields = table.width === 1 ? notOneColumn(table) : undefined;
  if (fields !== undefined) {
    return [{ reason: "structure_unsure", evidence: `the file reads as one column, but ${fields}` }];
  }
  const odd =
    declaredHeaderRows(requested) === undefined
      ? (oddNames(table, requested.quote === undefined ? candidate.quote : undefined) ?? quotedLines(table))
      : undefined;
  if (odd !== undefined) return [{ reason: "structure_unsure", evidence: odd }];
  if (candidate.prior < 0.7 && table.body.length < FEW_ROWS) {
    const evidence = `the file reads as ${table.width} columns by ${shown(candidate.delimiter)}, which few rows show`;
    return [{ reason: "structure_unsure", evidence }];
  }
  if (!runnerUp) return [];
  const other = runnerUp.score.total;
  if (runnerUp.table.width < 2 || table.body.length + runnerUp.table.body.length === 0) return [];
  const open = table.width === 1 ? other >= CLOSE * one : other >= CLOSE * score.total;
  if (!open || (table.width === 1 && runnerUp.score.pattern < 0.3)) return [];
  const is = table.width === 1 ? "one column" : `${table.width} columns by ${shown(candidate.delimiter)}`;
  const evidence = `the file reads as ${is}, or nearly as well as ${runnerUp.table.width} columns by ${shown(runnerUp.candidate.delimiter)}`;
  return [{ reason: "structure_unsure", evidence }];
}

/** A backslash before a quote is text in some rows, and seems to take its meaning in others. */
function ofEscape({ reading: { candidate, table }, requested }: Decided): Doubt[] {
  const { quote, escape } = candidate;
  const split = requested.escape === undefined ? escapedDelimiter(table, candidate.delimiter) : undefined;
  if (split !== undefined) return [{ reason: "structure_unsure", evidence: split }];
  if (quote === null || requested.escape !== undefined) return [];
  const odd = table.body.find(({ misquoted, text }) => misquoted > 0 && text.includes(`\\${quote}`));
  if (!odd) return [];
  return [escapeDoubt(odd.line, shown(escape))];
}

/** Rows say different things about what a quote or a backslash means. */
function ofStrays({ reading: { candidate, table }, requested }: Decided): Doubt[] {
  const { quote, escape } = candidate;
  if (quote === null) return [];
  const unsure = (evidence: string): Doubt[] => [{ reason: "structure_unsure", evidence }];
  const stray = table.body.find(({ misquoted }) => misquoted > 0);
  const long = requested.quote === undefined ? swallowingRow(table, candidate.delimiter) : undefined;
  if (long) return unsure(`line ${long.line} opens a quote, and the lines within it look like rows of the table`);
  if (quote !== '"' && requested.quote === undefined && stray) {
    return unsure(`line ${stray.line} has a ${quote} within a field that others stand around, which is not doubled`);
  }
  if (escape !== "\\" || requested.escape !== undefined) return [];
  const odd = table.body.find(
    ({ quoted, text }) =>
      quoted.includes(true) && /\\[^\\]/.test(text.replaceAll(/\\[\\"]/g, "").replaceAll(`\\${quote}`, "")),
  );
  return odd ? unsure(`line ${odd.line} has a backslash before another character than a quote or a backslash`) : [];
}

/** True if most lines look as if they held several fields. */
function isSplit(rows: readonly SampleRow[]): boolean {
  const split = ({ text, count, quoted }: SampleRow): boolean =>
    !(count === 1 && quoted[0]) &&
    (/"[^"]*"\s*\S/.test(text) || DELIMITERS.some((delimiter) => text.split(delimiter).length > 2));
  return rows.length > 1 && rows.filter(split).length >= 0.8 * rows.length;
}
