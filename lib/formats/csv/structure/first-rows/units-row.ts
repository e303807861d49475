import { isFilled } from "../../reading/no-data.ts";
import { anyOf, TYPE, UNIT } from "../checks/second-names.ts";
import { isTyped, isTypedCell, kindOf, shapeOf } from "../kinds.ts";
import { profilesOf, type ColumnProfile } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";
import { isNoValue } from "./title-words.ts";

/** First rows that may have the units, and rows below them that are compared. */
const SEARCHED_ROWS = 3;
const COMPARED_ROWS = 200;
/** Rows that show what the columns are. */
const SHOWING_ROWS_MIN = 2;

/** Types and units that other programs and languages write. */
const OTHER_TYPE = anyOf(
  [
    "(?:(?:tiny|small|medium|big)?int(?:eger)?|u?int\\d+|[iuf](?:8|16|32|64)|float\\d*|double(?: precision)?)",
    "(?:long|short|byte|number|numeric|decimal|money|serial|real|object|category|factor|fct|logical|lgl)",
    "(?:boolean|bool|bit|flag|chr|dbl|dttm)",
    "(?:n?varchar2?|n?char|n?text|string|str|char(?:acter)?(?: varying)?|clob|uuid|json|blob|date|time|datetime\\d*)",
    "(?:timestamp(?:tz)?|datetime64\\[.*\\]|xsd:\\w+)",
    "(?:ganzzahl|zahl|zeichen(?:kette)?|datum|uhrzeit|texte|nombre|entier|décimal)",
    "(?:chaîne|texto|número|entero|fecha|testo|numero|intero|data|tekst|getal)",
  ].map((type) => `${type}(?: ?\\(\\d+(?:, ?\\d+)?\\))?(?: (?:primary key|not null|null|unique))*`),
  "iu",
);
const OTHER_UNIT = anyOf(
  [
    "stk|stck|stück|pcs?|pieces?|units?|each|ea|count|number|anz(?:ahl)?|pers(?:onen)?|people",
    "€|\\$|£|¥|T?EUR|Euro|T€|k€|Mio\\.?(?: €| EUR)?|Tsd\\.?|USD|dollars?|percent|prozent|pct|%.*",
    "(?:milli|centi|kilo)?(?:met(?:er|re)s?|grams?|gramm|lit(?:er|re)s?|watts?|volts?)",
    "tonn?en?|tons?|to|kgs|lbs?|oz|ft|in",
    "[kcmµμnMGT]?(?:m|g|s|l|L|W|Wh|A|V|Hz|Pa|J|N|mol|Ω|ohm|VA|eV|bar|cal|bit|byte|b|B)(?:\\^?-?[²³23])?",
    "(?:sec|min|hour|minute|second|day|week|month|year|tag|stunde|monat|jahr|woche)(?:[esn]|en)?|a|d|h|yr|ms|µs",
    "(?:grad|degrees?) \\p{L}+|in [\\p{L}°%€$/]{1,12}|thousands?|millions?|billions?|tausend|millionen",
    "deg(?:rees?)?(?: ?[CFKNE])?|celsius|kelvin|fahrenheit|rad|grad|psi|hpa|mbar|mmhg|ppb|psu|dB|pH|mph|kmh|kn|kts",
    "(?:yyyy|jjjj|dd|tt|mm|hh)[-/.: ]?(?:mm|dd|tt|yyyy|jjjj|ss|mm)?(?:[-/.: ](?:dd|tt|yyyy|jjjj|ss|hh).*)?",
    "(?:decimal )?(?:degrees?|dimensionless|unitless|fraction|ratio|index)",
    "\\p{L}{1,6}(?:\\^-?[123]|[²³]|⁻[¹²³])",
    "[\\p{L}°µ%€$][^\\s/]{0,11}/[^\\s/]{1,12}|1/\\p{L}+|\\p{L}{1,6}·\\S{1,6}|per .*",
  ],
  "iu",
);
/** The name of the row itself. */
const LABEL =
  /^#?(?:units?|einheit(?:en)?|types?|typ(?:en)?|dtypes?|datatype|datentyp|unités?|unidad(?:es)?|unità|format)$/i;
const BRACKETED = /^[([<{].*[\p{L}%°€$£µ].*[)\]>}]$/u;
const DASH = /^(?:[-–—]{1,3}|\.|\/|\*|[([][-–—. ]?[)\]])$/;
/** Values that may read as units: grades, sizes. */
const SHORT_CHARS = 3;
/** A unit that is not known: one short word. */
const SHORT_WORD = /^[\p{L}°µ%][\p{L}\p{M}\d²³°%./^*-]{0,11}$/u;

const isTypeName = (text: string): boolean =>
  TYPE.test(text) || OTHER_TYPE.test(text) || (BRACKETED.test(text) && OTHER_TYPE.test(text.slice(1, -1)));
const isUnitName = (text: string): boolean => UNIT.test(text) || OTHER_UNIT.test(text) || BRACKETED.test(text);

/**
 * Says which of the first rows may have the units or types of the columns rather than values: it has a word
 * where all other rows have numbers or dates, and units, dashes or nothing elsewhere. As a row it would make
 * those columns text.
 */
export function unitsRow(table: Pick<FoundTable, "body" | "width" | "header">): string | undefined {
  const { body, width, header } = table;
  if (header.rows === 0 || header.named > 0) return undefined;
  for (let at = 0; at < Math.min(SEARCHED_ROWS, body.length - 1); at++) {
    const row = body[at]!;
    const below = body.slice(at + 1, at + 1 + COMPARED_ROWS);
    const profiles = profilesOf(below, width);
    const typed = profiles.flatMap(({ family }, column) => (isTyped(family) ? [column] : []));
    const hasValue = ({ cells }: SampleRow): boolean => typed.some((column) => isTypedCell(cells[column] ?? ""));
    if (body.slice(0, at).some(hasValue)) return undefined;
    if (row.count !== width || hasValue(row)) continue;
    const word = typed.length === 0 ? typesOnly(row, below, profiles) : describes(row, below, profiles);
    if (word === undefined) continue;
    const is = JSON.stringify(word.slice(0, 40));
    return `line ${row.line} has ${is}, unlike the rows below it: it may be a row of units or types`;
  }
  return undefined;
}

/** The word that shows that the row describes the columns; undefined: it may be a row. */
function describes(
  { cells }: SampleRow,
  below: readonly SampleRow[],
  profiles: readonly ColumnProfile[],
): string | undefined {
  let [word, isSure] = [undefined as string | undefined, false];
  for (const [column, { family, values, shape }] of profiles.entries()) {
    const text = (cells[column] ?? "").trim();
    if (text === "" || DASH.test(text)) {
      isSure ||= !values.has(text) && below.every((row) => isFilled(row.cells[column] ?? ""));
    } else if (kindOf(text) === "marker") {
      if (isTyped(family)) return undefined;
    } else if (isTyped(family)) {
      const isKnown = isUnitName(text) || isTypeName(text);
      if (!isKnown && (!SHORT_WORD.test(text) || isNoValue(text))) return undefined;
      isSure ||= isKnown;
      word ??= text;
    } else {
      const isType = isTypeName(text) || LABEL.test(text) || BRACKETED.test(text);
      const isLikeRows = values.has(text) || shapeOf(text) === shape;
      const areShort = !isType && [...values].every(({ length }) => length <= SHORT_CHARS);
      if (isLikeRows || areShort || !(isType || isUnitName(text))) return undefined;
      isSure ||= isType;
    }
  }
  return isSure && below.length >= SHOWING_ROWS_MIN ? word : undefined;
}

/** The first of the types, in a table of text: nothing else is in the row, and no row below has any. */
function typesOnly(
  { cells }: SampleRow,
  below: readonly SampleRow[],
  profiles: readonly ColumnProfile[],
): string | undefined {
  const filled = cells.map((cell) => cell.trim()).filter((text) => text !== "" && !DASH.test(text));
  const isRecurring = profiles.some(({ values }, column) => values.has((cells[column] ?? "").trim()));
  if (filled.length < 2 || isRecurring || !filled.every(isTypeName)) return undefined;
  return below.some((row) => row.cells.some((cell) => isTypeName(cell.trim()))) ? undefined : filled[0];
}
