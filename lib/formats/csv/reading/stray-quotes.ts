import { CR, LF, MATCH, matchAt } from "./bytes.ts";

/** What a field looks like. */
const SHAPE = { EMPTY: 0, TEXT: 1, NUMBER: 2, QUOTED: 3 } as const;

/** Lines that are looked at after the one with the quote. */
export const LOOK_AHEAD_LINES = 200;

/** A row whose quoted fields contain line ends. */
export interface LongRow {
  text: Uint8Array;
  /** Its first line, and what follows it up to the row's end, or up to the last line that is looked at. */
  start: number;
  firstStop: number;
  next: number;
  stop: number;
  /** Fields that end before the first one with a line end. */
  fieldsBefore: number;
  /** Fields of the whole row; undefined: the row continues. */
  count: number | undefined;
}

/** How lines are divided, and how many fields the table's rows have (0: not known). */
export interface LineForm {
  delimiter: Uint8Array;
  quote: Uint8Array;
  width: number;
}

/**
 * True if a quote that opens on the row's first line is stray: the lines after it are rows by themselves.
 * Each has as many fields as the table's rows, and fields of the same column look alike (all numbers, or
 * all quoted), also those before the quote. The fewer fields rows have, the more lines it takes: a note of
 * several lines with a comma in each is no row. Only the text of the row decides, so the answer is the
 * same wherever blocks of text end.
 */
export function isStray(row: LongRow, form: LineForm): boolean {
  const { width } = form;
  if (width < 2) return false;
  const shapes = new Uint8Array(width);
  const before = new Uint8Array(width);
  shapesOf(row.text.subarray(row.start, row.firstStop), { ...form, width: row.fieldsBefore }, before);
  const alike = new Uint8Array(width).fill(1);
  const filled = new Uint32Array(width);
  const common = new Uint8Array(width);
  for (let column = 0; column < Math.min(width, row.fieldsBefore); column++) common[column] = before[column]!;
  let lines = 0;
  for (let at = row.next; at < row.stop;) {
    const stop = lineStop(row.text, at, row.stop);
    if (stop > at) {
      if (shapesOf(row.text.subarray(at, stop), form, shapes) !== width) return false;
      lines++;
      for (let column = 0; column < width; column++) {
        const shape = shapes[column]!;
        if (shape === SHAPE.EMPTY) continue;
        filled[column]!++;
        if (common[column] === SHAPE.EMPTY) common[column] = shape;
        else if (common[column] !== shape) alike[column] = 0;
      }
    }
    at = stop + (row.text[stop] === CR && row.text[stop + 1] === LF ? 2 : 1);
  }
  for (let column = 0; column < Math.min(width, row.fieldsBefore); column++) {
    if (before[column]! > SHAPE.TEXT && alike[column] === 0) return false;
  }
  const marked = common.some((shape, at) => shape > SHAPE.TEXT && alike[at] === 1 && 2 * filled[at]! >= lines);
  return lines >= linesNeeded(row.count, width, marked);
}

/**
 * A row with the wrong number of fields is rejected in any case: it takes fewer lines to divide it. One line
 * shows nothing, as it ends with the quote that closes the field.
 */
function linesNeeded(count: number | undefined, width: number, marked: boolean): number {
  if (count === undefined) return LOOK_AHEAD_LINES / 2;
  if (count !== width) return marked ? 2 : width > 2 ? 5 : 10;
  if (!marked) return width > 2 ? 20 : Infinity;
  return width > 3 ? 3 : width > 2 ? 5 : 10;
}

function lineStop(text: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && text[at] !== LF && text[at] !== CR) at++;
  return at;
}

/**
 * Number of fields of a line, read alone; 0 if a quote is open at its end. Fills in the
 * shapes of the first `width` fields.
 */
function shapesOf(line: Uint8Array, form: LineForm, shapes: Uint8Array): number {
  const { delimiter, quote, width } = form;
  let count = 0;
  for (let at = 0; ; at += delimiter.length) {
    const start = at;
    let quoted = false;
    if (quote.length > 0 && matchAt(line, at, quote) === MATCH.YES) {
      const close = closeOf(line, at + quote.length, quote);
      if (close < 0) return 0;
      at = close + quote.length;
      quoted = at === line.length || matchAt(line, at, delimiter) === MATCH.YES;
    }
    while (at < line.length && matchAt(line, at, delimiter) !== MATCH.YES) at++;
    if (count < width) shapes[count] = quoted ? SHAPE.QUOTED : shapeOf(line, start, at);
    count++;
    if (at >= line.length) return count;
  }
}

function closeOf(line: Uint8Array, from: number, quote: Uint8Array): number {
  for (let at = from; at < line.length; at++) {
    if (matchAt(line, at, quote) !== MATCH.YES) continue;
    if (matchAt(line, at + quote.length, quote) !== MATCH.YES) return at;
    at += 2 * quote.length - 1;
  }
  return -1;
}

/** Numbers, dates and times are signs, digits and what stands between them. */
function shapeOf(line: Uint8Array, start: number, stop: number): number {
  if (start === stop) return SHAPE.EMPTY;
  let digits = 0;
  for (let at = start; at < stop; at++) {
    const byte = line[at]!;
    if (byte >= 48 && byte <= 57) digits++;
    else if (!NUMBER_MARKS.includes(byte)) return SHAPE.TEXT;
  }
  return digits > 0 ? SHAPE.NUMBER : SHAPE.TEXT;
}

const NUMBER_MARKS = Buffer.from(" +-.,:/TZe");
