import { isBlank, MATCH, matchAt } from "./bytes.ts";

/** How the row is written. */
export interface QuoteForm {
  delimiter: Uint8Array;
  quote: Uint8Array;
  escape: Uint8Array;
  trims: boolean;
}

/** A row that was read in spite of a stray quote: its fields, one after another. */
export interface RepairedRow {
  bytes: Buffer;
  /** Start and end of each field. */
  bounds: Int32Array;
  /** For each field: whether it is in quotes. */
  quoted: boolean[];
  /** For each field: whether a quote is left over in it. */
  stray: boolean[];
  count: number;
}

/** The text between two delimiters, and what its quotes may be. */
interface Segment {
  /** Without the blanks around it, if they are no part of fields. */
  start: number;
  stop: number;
  /** Quotes in it. */
  quotes: number;
  /** Quotes that are left over if it is the middle of a quoted field: two in a row are one of its text. */
  single: number;
  opens: boolean;
  /** Quotes in a row at its beginning and at its end. */
  firstRun: number;
  lastRun: number;
}

/** Steps of one search. Rows that need more are rejected. */
const WORK_MAX = 100_000;

/**
 * Reads a row of one line in which a quote stands in the wrong place: `1,"x,"a, b"`. Of all ways to divide it
 * into this many fields, takes the one that leaves the fewest quotes without a meaning; these are text.
 * Undefined if several ways leave as few, or if two fields without quotes around them have such a quote
 * each: then a delimiter between them may be text. `fields` undefined: the row is a header, and the way
 * with the most names wins.
 */
export function repairedRow(
  line: Uint8Array,
  form: QuoteForm,
  fields: number | undefined,
  fieldsMax: number,
): RepairedRow | undefined {
  const segments = segmentsOf(line, form);
  const most = Math.min(fields ?? segments.length, segments.length);
  if (most < (fields ?? 1) || most > fieldsMax || segments.length * (most + 1) > WORK_MAX) return undefined;
  const ways = waysThrough(segments, most);
  if (!ways) return undefined;
  const count = fields ?? cheapest(ways, segments.length, most);
  const size = most + 1;
  if (ways.counts[segments.length * size + count] !== 1) return undefined;
  const parts: [first: number, last: number][] = [];
  for (let [end, left] = [segments.length, count]; left > 0; left--) {
    const from = ways.before[end * size + left]!;
    parts.unshift([from >> 1, from & 1 ? end - 1 : -1]);
    end = from >> 1;
  }
  const odd = parts.filter(([first, last]) => last < 0 && segments[first]!.quotes % 2 === 1);
  return odd.length > 1 ? undefined : laidOut(line, segments, parts, form);
}

function segmentsOf(line: Uint8Array, form: QuoteForm): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at <= line.length;) {
    const from = at;
    while (at < line.length && matchAt(line, at, form.delimiter) !== MATCH.YES) at++;
    let [start, stop] = [from, at];
    while (form.trims && start < stop && isBlank(line[start])) start++;
    while (form.trims && stop > start && isBlank(line[stop - 1])) stop--;
    segments.push(segmentOf(line, start, stop, form));
    if (at >= line.length) break;
    at += form.delimiter.length;
  }
  return segments;
}

function segmentOf(line: Uint8Array, start: number, stop: number, { quote, escape }: QuoteForm): Segment {
  const escapes = matchAt(escape, 0, quote) !== MATCH.YES;
  const runs: number[] = [];
  let [quotes, runEnd] = [0, -1];
  for (let at = start; at < stop;) {
    if (matchAt(line, at, quote) === MATCH.YES) {
      if (runEnd === at) runs[runs.length - 1]!++;
      else runs.push(1);
      quotes++;
      at += quote.length;
      runEnd = at;
    } else {
      const pair = escapes && matchAt(line, at, escape) === MATCH.YES;
      const next = pair ? at + escape.length : stop;
      const escaped =
        next < stop && (matchAt(line, next, quote) === MATCH.YES || matchAt(line, next, escape) === MATCH.YES);
      at = escaped ? next + 1 : at + 1;
    }
  }
  const single = runs.reduce((sum, run) => sum + (run % 2), 0);
  const opens = start < stop && matchAt(line, start, quote) === MATCH.YES;
  return {
    start,
    stop,
    quotes,
    single,
    opens,
    firstRun: opens ? runs[0]! : 0,
    lastRun: runEnd === stop ? runs.at(-1)! : 0,
  };
}

/** For each number of segments and of fields made of them: the fewest quotes that are left over. */
interface Ways {
  left: Float64Array;
  /** Ways with so few; 2: several. */
  counts: Uint8Array;
  /** The last field: twice its first segment, and one more if it is quoted. */
  before: Int32Array;
}

function waysThrough(segments: readonly Segment[], most: number): Ways | undefined {
  const size = most + 1;
  const cells = (segments.length + 1) * size;
  const left = new Float64Array(cells).fill(Infinity);
  const [counts, before] = [new Uint8Array(cells), new Int32Array(cells)];
  [left[0], counts[0]] = [0, 1];
  let work = 0;
  const extend = (first: number, end: number, cost: number, quoted: 0 | 1): void => {
    work += size;
    for (let count = 0; count < most; count++) {
      const [from, to] = [first * size + count, end * size + count + 1];
      if (counts[from] === 0) continue;
      const sum = left[from]! + cost;
      if (sum > left[to]!) continue;
      counts[to] = sum === left[to] ? 2 : counts[from]!;
      left[to] = sum;
      before[to] = 2 * first + quoted;
    }
  };
  for (const [first, segment] of segments.entries()) {
    extend(first, first + 1, segment.quotes, 0);
    if (!segment.opens) continue;
    // The opening quote is none of the first run.
    let inside = segment.single - (segment.firstRun % 2) + ((segment.firstRun - 1) % 2);
    for (let last = first; last < segments.length && work <= WORK_MAX; last++) {
      const own = segments[last]!;
      if (last > first) inside += own.single;
      const isOneRun = last === first && own.firstRun === own.quotes && own.lastRun === own.quotes;
      const run = own.lastRun - (isOneRun ? 1 : 0);
      if (run > 0) extend(first, last + 1, inside - (run % 2) + ((run - 1) % 2), 1);
    }
    if (work > WORK_MAX) return undefined;
  }
  return { left, counts, before };
}

/** The number of fields with the fewest quotes left over; of several, the largest. */
function cheapest({ left }: Ways, end: number, most: number): number {
  let best = most;
  for (let count = most; count > 0; count--) {
    if (left[end * (most + 1) + count]! < left[end * (most + 1) + best]!) best = count;
  }
  return best;
}

function laidOut(
  line: Uint8Array,
  segments: readonly Segment[],
  parts: readonly (readonly [first: number, last: number])[],
  { quote, escape }: QuoteForm,
): RepairedRow {
  const bytes = Buffer.alloc(line.length);
  const stray: boolean[] = [];
  const bounds = new Int32Array(2 * parts.length);
  let to = 0;
  parts.forEach(([first, last], field) => {
    const around = last < 0 ? 0 : quote.length;
    const stop = segments[Math.max(first, last)]!.stop - around;
    bounds[2 * field] = to;
    for (let at = segments[first]!.start + around; at < stop; at++) {
      const escaped =
        last >= 0 && at + escape.length < stop && matchAt(line, at, escape) === MATCH.YES
          ? matchAt(line, at + escape.length, quote) === MATCH.YES ||
            matchAt(line, at + escape.length, escape) === MATCH.YES
          : false;
      if (escaped) at += escape.length;
      bytes[to++] = line[at]!;
    }
    bounds[2 * field + 1] = to;
    stray.push(bytes.subarray(bounds[2 * field], to).includes(quote[0]!));
  });
  return { bytes, bounds, stray, quoted: parts.map(([, last]) => last >= 0), count: parts.length };
}

/**
 * True if a quote seems to open in the middle of a field without quotes, and to close at the end of a later
 * one: `12"Hat, red"`. A delimiter is missing before it, and the one within it is text. Marks for inches
 * are none of these: a blank or the field's end follows them.
 */
export function hasCrossingQuotes(line: Uint8Array, bounds: Int32Array, quoted: Uint8Array, count: number): boolean {
  let open = false;
  for (let field = 0; field < count; field++) {
    if (quoted[field]) {
      open = false;
      continue;
    }
    const [start, stop] = [bounds[2 * field]!, bounds[2 * field + 1]!];
    let [quotes, last, opens] = [0, -1, false];
    for (let at = start; at < stop; at++) {
      if (line[at] !== QUOTE) continue;
      quotes++;
      last = at;
      opens ||= at > start && at < stop - 1 && isLetter(line[at + 1]!);
    }
    if (quotes % 2 === 0) continue;
    if (open && last === stop - 1) return true;
    open = opens;
  }
  return false;
}

const QUOTE = 34;

/** Letters, digits and all characters beyond ASCII. */
const isLetter = (byte: number): boolean =>
  byte >= 128 || (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
