import type { ColumnType } from "../columns.ts";
import { isMissingText } from "../typing/missing-texts.ts";
import type { NumberOptions } from "../typing/number-formats.ts";
import type { FieldTexts } from "./field-texts.ts";
import { dateReadings, numberReadings, plainType, total, wordReading, type Reading } from "./reading.ts";

/** What a proposal adds to a contract. */
export interface ContractPatch {
  nullMarkers?: string[];
  columns?: ColumnPatch[];
}

export interface ColumnPatch {
  name: string;
  type: ColumnType;
  number?: NumberOptions;
  format?: string;
  trueWords?: string[];
  falseWords?: string[];
  nullMarkers?: string[];
}

/** What a contract could say so that more of a file is typed. */
export interface Proposal {
  kind: "null_markers" | "number" | "date" | "boolean";
  columns: string[];
  /** One sentence for people. */
  text: string;
  /** Values that it reads, of those in the looked at part of the file. */
  fits: number;
  of: number;
  /** Some values that it would reject. */
  misfits: string[];
  /** Other readings that fit as well and mean something else: the owner must choose. */
  alternatives: ContractPatch[];
  patch: ContractPatch;
}

/** Certain and whole: it can be applied without a second look. */
export const isWhole = ({ fits, of, alternatives }: Proposal): boolean => fits === of && alternatives.length === 0;

/** Below this share of values, a reading is chance. */
const SHARE_MIN = 0.9;

/** One column's texts, without the markers among them. */
interface Column {
  name: string;
  markers: string[];
  markerRows: number;
  rest: FieldTexts;
  reading: Reading | undefined;
  alternatives: Reading[];
  of: number;
}

/**
 * What would help to read these columns, whose values are text or do not fit their types. `thousands`: those
 * that are numbers, but whose points may separate thousands. Pure.
 */
export function proposalsFor(
  columns: ReadonlyMap<string, FieldTexts>,
  thousands: ReadonlySet<string> = new Set(),
): Proposal[] {
  const looked = [...columns].map(([name, texts]) => lookAt(name, texts, thousands.has(name)));
  const typed = looked.filter((column): column is Column & { reading: Reading } => column.reading !== undefined);
  const texts = looked.filter(({ reading }) => reading === undefined);
  // In a column of text, NA can be Namibia: a marker that is there counts in the other columns alone.
  const isText = (marker: string): boolean => texts.some(({ name }) => columns.get(name)!.has(marker));
  const markers = [...new Set(typed.flatMap((column) => column.markers))];
  const own = new Set(markers.filter(isText));
  return [...markerProposals(typed, markers, own), ...typed.flatMap((column) => columnProposal(column, own))];
}

function lookAt(name: string, texts: FieldTexts, mayBeThousands: boolean): Column {
  const markers = [...texts.keys()].filter(isMissingText);
  const rest: FieldTexts = new Map([...texts].filter(([text]) => !markers.includes(text)));
  const of = total(rest);
  const column = { name, markers, markerRows: total(texts) - of, rest, of, alternatives: [] as Reading[] };
  if (of === 0) return { ...column, reading: undefined };
  const plain = plainType(rest.keys());
  if (plain !== "VARCHAR") {
    const reading: Reading = { type: plain, fits: of, misfits: [], meaning: new Map() };
    const grouped = mayBeThousands ? thousandsReading(rest) : undefined;
    const asIs = numberReadings(rest).find(({ number, type }) => type === plain && number && !number.group);
    return grouped && asIs ? { ...column, reading: grouped, alternatives: [asIs] } : { ...column, reading };
  }
  const words = wordReading(rest);
  const readings = [...(words ? [words] : []), ...dateReadings(rest), ...numberReadings(rest)].sort(
    (a, b) => b.fits - a.fits,
  );
  const [reading] = readings;
  if (!reading || reading.fits < SHARE_MIN * of) return { ...column, reading: undefined };
  const alternatives = readings.filter((other) => other.fits === reading.fits && differs(reading, other));
  return { ...column, reading, alternatives: firstOfEach(alternatives) };
}

/** The reading with points between groups, if it fits all values. */
function thousandsReading(texts: FieldTexts): Reading | undefined {
  const readings = numberReadings(texts).filter(({ fits }) => fits === total(texts));
  return readings.find(({ number }) => number?.decimal === "," && number.group === "." && !number.strip);
}

const differs = (a: Reading, b: Reading): boolean =>
  a.type !== b.type || [...a.meaning].some(([text, meant]) => !isSame(b.meaning.get(text), meant));

const isSame = (a: string | undefined, b: string): boolean => a === b || Number(a) === Number(b);

function firstOfEach(readings: readonly Reading[]): Reading[] {
  return readings.filter((one, index) => !readings.slice(0, index).some((other) => !differs(one, other)));
}

/** The notation of programs, with signs as people write them: −5 and 5-. */
const PLAIN: NumberOptions = { decimal: "." };

const isNeeded = ({ reading }: { reading: Reading }): boolean =>
  reading.number !== undefined || reading.format !== undefined || reading.type === "BOOLEAN";

function markerProposals(
  columns: readonly (Column & { reading: Reading })[],
  markers: readonly string[],
  own: ReadonlySet<string>,
): Proposal[] {
  const wide = markers.filter((marker) => !own.has(marker));
  const proposals: Proposal[] = [];
  const affected = columns.filter((column) => column.markers.some((marker) => wide.includes(marker)));
  if (affected.length > 0) {
    const rows = sum(affected.map(({ markerRows }) => markerRows));
    proposals.push({
      kind: "null_markers",
      columns: affected.map(({ name }) => name),
      text:
        `${quoted(wide)} in ${count(rows)} ${rows === 1 ? "field" : "fields"} of ${affected.length} ` +
        `${affected.length === 1 ? "column that is" : "columns that are"} otherwise ${kindsOf(affected)}: add nullMarkers`,
      fits: rows,
      of: rows,
      misfits: [],
      alternatives: [],
      patch: { nullMarkers: wide },
    });
  }
  for (const column of columns) {
    const mine = column.markers.filter((marker) => own.has(marker));
    if (mine.length === 0 || isNeeded(column)) continue;
    proposals.push({
      kind: "null_markers",
      columns: [column.name],
      text: `${quoted(mine)} in '${column.name}', otherwise ${kindsOf([column])}: add nullMarkers to the column`,
      fits: column.markerRows,
      of: column.markerRows,
      misfits: [],
      alternatives: [],
      patch: { columns: [{ name: column.name, type: column.reading.type, nullMarkers: mine }] },
    });
  }
  return proposals;
}

function columnProposal(column: Column & { reading: Reading }, own: ReadonlySet<string>): Proposal[] {
  if (!isNeeded(column)) return [];
  const { name, reading, of, alternatives, rest } = column;
  const nullMarkers = column.markers.filter((marker) => own.has(marker));
  const patchOf = ({ type, number, format, trueWords, falseWords }: Reading): ContractPatch => ({
    columns: [
      {
        name,
        type,
        ...(number ? { number: Object.keys(number).length > 0 ? number : PLAIN } : {}),
        ...(format === undefined ? {} : { format }),
        ...(trueWords ? { trueWords } : {}),
        ...(falseWords ? { falseWords } : {}),
        ...(nullMarkers.length > 0 ? { nullMarkers } : {}),
      },
    ],
  });
  const [example = ""] = [...rest.keys()].filter((text) => reading.meaning.has(text));
  const kind = reading.number ? "number" : reading.format === undefined ? "boolean" : "date";
  const rejected = reading.misfits.length > 0 ? `; it would reject ${quoted(reading.misfits)}` : "";
  const others = alternatives.map((other) => `${described(other)} fits as well`).join(", ");
  const doubt = alternatives.length > 0 ? `; ${others} and means other values: choose one` : "";
  return [
    {
      kind,
      columns: [name],
      text: `'${example}' in '${name}': ${described(reading)} fits ${share(reading.fits, of)}${rejected}${doubt}`,
      fits: reading.fits,
      of,
      misfits: reading.misfits,
      alternatives: alternatives.map(patchOf),
      patch: patchOf(reading),
    },
  ];
}

/** Marks that quotes would hide. */
const GROUP_NAMES: ReadonlyMap<string, string> = new Map([
  [" ", "blanks"],
  ["'", "apostrophes"],
]);

function described({ type, number, format }: Reading): string {
  if (format !== undefined) return format;
  if (!number) return "BOOLEAN";
  const { decimal, group, strip, percent, parentheses } = number;
  const parts = [
    ...(decimal === "," ? ["a decimal comma"] : []),
    ...(group === undefined ? [] : [`groups separated by ${GROUP_NAMES.get(group) ?? `'${group}'`}`]),
    ...(strip ? [`${quoted(strip)} taken off`] : []),
    ...(percent ? ["per cent"] : []),
    ...(parentheses ? ["negative in parentheses"] : []),
  ];
  return parts.length === 0 ? type : `${type} with ${parts.join(", ")}`;
}

function kindsOf(columns: readonly { reading: Reading }[]): string {
  const kinds = columns.map(({ reading: { type } }) =>
    type === "BOOLEAN" ? "booleans" : type === "DATE" || type.startsWith("TIMESTAMP") ? "dates" : "numbers",
  );
  return [...new Set(kinds)].join(" and ");
}

const QUOTED_MAX = 5;
const quoted = (texts: readonly string[]): string =>
  texts
    .slice(0, QUOTED_MAX)
    .map((text) => `'${text.slice(0, 40)}'`)
    .join(", ");
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
const count = (number: number): string => number.toLocaleString("en");
const share = (fits: number, of: number): string =>
  fits === of ? `100 % of ${count(of)} values` : `${Math.floor((1000 * fits) / of) / 10} % of ${count(of)} values`;
