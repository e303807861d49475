import { isFilled } from "../../reading/no-data.ts";
import { isTypedCell } from "../kinds.ts";
import { typedColumns } from "../profile.ts";
import type { SampleRow } from "../split.ts";
import { saysFailure } from "./failures.ts";
import { countsInWords, isReport } from "./reports.ts";

/** Rows above that show what a row looks like. */
const SHOWING_ROWS_MIN = 2;

/**
 * True if the row's delimiters are those of a sentence: a message of a failure, or a count of rows with a
 * separator of thousands. The rows above do not look so: in a log, an error is a row.
 */
export function isSentence(row: SampleRow, above: readonly SampleRow[], width: number): boolean {
  if (above.length < SHOWING_ROWS_MIN || row.quoted.some(Boolean)) return false;
  if (countsInWords(row.text)) return !above.some(({ text }) => countsInWords(text)) && !fits(row, above, width);
  if (isReport(row.text)) return hasBlanks(row) && !above.some(hasBlanks);
  const [first = ""] = row.cells;
  const filled = row.cells.filter(isFilled);
  const isOne = filled.length === 1 && /\s/.test(filled[0]!.trim());
  if (!saysFailure(isOne ? filled[0]!.trim() : first.trim())) return false;
  if (above.some(({ cells }) => saysFailure((cells[0] ?? "").trim()))) return false;
  if (isOne) return above.every(({ cells }) => cells.filter(isFilled).length > 1);
  if (row.count < 2) return false;
  if (isMarkup(row)) return !above.some((other) => other.count >= width && isMarkup(other));
  if (row.count < width) return /\s/.test(first.trim()) && above.every(({ count }) => count === width);
  return hasBlanks(row) && !above.some(hasBlanks);
}

/** An object or a page with which a web service answers. */
const isMarkup = ({ text }: SampleRow): boolean => /^\s*(?:\{\s*"|<[a-z!])/i.test(text);

/** True if the row stands right below the others and has values and words where they have. */
function fits({ cells, line }: SampleRow, above: readonly SampleRow[], width: number): boolean {
  const typed = typedColumns(above.slice(-TYPED_ROWS), width);
  return line === above.at(-1)!.line + 1 && typed.every((is, column) => is === isTypedCell(cells[column] ?? ""));
}

/** Rows that show which columns have numbers or dates. */
export const TYPED_ROWS = 50;

/** True if a blank follows each delimiter, as the commas of a sentence. */
const hasBlanks = ({ cells }: SampleRow): boolean =>
  cells.length > 1 && cells.slice(1).every((cell) => cell.trim() === "" || /^\s/.test(cell));

/** Names of columns that hold messages. */
const MESSAGES =
  /^(?:.*[ _.-])?(?:messages?|msg|logs?|errors?|exceptions?|text|notes?|comments?|status|reasons?|events?|descriptions?|lines?|output|entr(?:y|ies)|actions?|activit(?:y|ies)|steps?|tasks?|jobs?|titles?|subjects?|details?|results?|responses?|meldung(?:en)?|nachricht(?:en)?|fehler|ereignis|bemerkung(?:en)?|kommentare?|texte?|mensajes?|mensagem|messaggi[oe]?)$/i;
const NAME_WORDS_MAX = 2;

/** The last line of a file of one column, if it reports a failure and the lines above hold single words. */
export function failedLine(rows: readonly SampleRow[], heading: SampleRow | undefined): SampleRow | undefined {
  const filled = rows.filter(({ cells }) => cells.some(isFilled));
  const at = filled.findIndex(({ text }) => /\s/.test(text.trim()) && saysFailure(text));
  if (at < SHOWING_ROWS_MIN || at < filled.length - LINES_MAX) return undefined;
  const failed = filled[at]!;
  if (failed.quoted[0] || MESSAGES.test((heading?.cells[0] ?? "").trim())) return undefined;
  const above = filled.slice(0, at).map(({ text }) => text.trim());
  // Names have blanks, but neither colons nor as many words.
  const areNames = above.every((text) => !text.includes(": ") && text.split(/\s+/).length <= NAME_WORDS_MAX);
  const areWords = above.every((text) => !/\s/.test(text));
  return areWords || (areNames && failed.text.includes(":")) ? failed : undefined;
}

/** Lines of a message. */
const LINES_MAX = 6;
