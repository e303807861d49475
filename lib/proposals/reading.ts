import type { ColumnType } from "../columns.ts";
import { castColumn } from "../typing/cast.ts";
import { momentFormat, scanFormatted } from "../typing/date-formats.ts";
import { isCodeAndWord, isCurrencyCode } from "../typing/currencies.ts";
import { noTypeFacts, observe, typeOf } from "../typing/infer.ts";
import { numberFormat, scanNumberAs, type NumberOptions } from "../typing/number-formats.ts";
import { classify, KIND, newScan } from "../typing/scan.ts";
import type { FieldTexts } from "./field-texts.ts";

/** One way to read a column's texts. */
export interface Reading {
  type: ColumnType;
  number?: NumberOptions;
  format?: string;
  trueWords?: string[];
  falseWords?: string[];
  /** Values that it reads, counted with repetitions. */
  fits: number;
  /** Some texts that it does not read. */
  misfits: string[];
  /** By text, what it reads there: two readings that fit alike and differ here are in doubt. */
  meaning: Map<string, string>;
}

const MISFITS_MAX = 3;
const scan = newScan();

/** Reads every text; `meaningOf` gives undefined for a text that does not fit. */
function readingOf(
  texts: FieldTexts,
  meaningOf: (bytes: Buffer, text: string) => string | undefined,
): Pick<Reading, "fits" | "misfits" | "meaning"> {
  const meaning = new Map<string, string>();
  const misfits: string[] = [];
  let fits = 0;
  for (const [text, count] of texts) {
    const meant = meaningOf(Buffer.from(text), text);
    if (meant === undefined) {
      if (misfits.length < MISFITS_MAX) misfits.push(text);
      continue;
    }
    meaning.set(text, meant);
    fits += count;
  }
  return { fits, misfits, meaning };
}

/** The type that inference gives these texts as they are. */
export function plainType(texts: Iterable<string>): ColumnType {
  const facts = noTypeFacts();
  for (const text of texts) {
    const bytes = Buffer.from(text);
    observe(facts, classify(bytes, 0, bytes.length, scan), scan, bytes);
  }
  return typeOf(facts);
}

const NOTATIONS: readonly NumberOptions[] = [
  {},
  { group: "," },
  { group: " " },
  { group: "'" },
  { decimal: "," },
  { decimal: ",", group: "." },
  { decimal: ",", group: " " },
  { decimal: ",", group: "'" },
];

/** Signs and codes beside numbers: what is no digit, blank, sign, mark or bracket. */
const BESIDE = /^[^\d\s()+\-−.,'’%‰]{1,5}|[^\d\s()+\-−.,'’%‰]{1,5}$/gu;
const STRIP_MAX = 5;

/** The readings as numbers, best first. */
export function numberReadings(texts: FieldTexts): Reading[] {
  const beside = new Map<string, number>();
  for (const text of texts.keys()) {
    if (!/\d/.test(text)) continue;
    for (const [sign] of text.replace(/^[(\-−+]+|[)\-−+]+$/g, "").matchAll(BESIDE)) {
      beside.set(sign, (beside.get(sign) ?? 0) + 1);
    }
  }
  const strip = [...beside].filter(([, count]) => count > 0.01 * texts.size).map(([sign]) => sign);
  const keys = [...texts.keys()];
  const features: NumberOptions = {
    ...(strip.length > 0 && strip.length <= STRIP_MAX && isOneUnit(strip) && !areCodes(keys, strip) ? { strip } : {}),
    ...(keys.some((text) => /[%‰]/.test(text)) ? { percent: true } : {}),
    ...(keys.some((text) => /^\(.*\)$/.test(text)) ? { parentheses: true } : {}),
  };
  const notations = arePhones(keys) ? NOTATIONS.filter(({ group }) => group !== " ") : NOTATIONS;
  const readings = notations.map((notation) => asNumbers(texts, { ...notation, ...features }));
  return readings.filter(({ type, fits }) => fits > 0 && type !== "VARCHAR").sort((a, b) => b.fits - a.fits);
}

/** True if the texts are one unit: without them, 5 EUR and 5 USD would be the same number. */
const isOneUnit = (signs: readonly string[]): boolean =>
  signs.every(isUnit) && new Set(signs.map((sign) => CURRENCIES.get(sign) ?? sign)).size === 1;

const CURRENCIES: ReadonlyMap<string, string> = new Map([
  ["$", "USD"],
  ["US$", "USD"],
  ["€", "EUR"],
  ["£", "GBP"],
  ["¥", "JPY"],
  ["₹", "INR"],
  ["zł", "PLN"],
  ["Fr", "CHF"],
]);

/** A currency or a usual unit: `DIN 912` and `A12` are codes, not 912 and 12 of something. */
const isUnit = (sign: string): boolean => isCurrencyCode(sign) || /^(?:[A-Z]{0,3}\p{Sc}|kr|Fr|zł|kg|km)$/u.test(sign);

/** Signs that join a word to a number, as in `100-EUR` and `EUR.100`. */
const JOINED_BEFORE = /^[-−._/]/;
const JOINED_BEHIND = /[-−._/]$/;
const WHOLE = /^\d+$/;

/**
 * True if the texts are codes, though a word in them is a currency or a unit, too: a sign joins it to a
 * number (`ALL-5`, `12-kg`), it stands directly before whole numbers only (`CUP100`), or behind them as a
 * currency (`2024EUR`), or it is another word as well (`TOP 100`).
 */
function areCodes(texts: readonly string[], signs: readonly string[]): boolean {
  const words = signs.filter((sign) => /\p{L}/u.test(sign));
  const before = partsOf(texts, words, "startsWith");
  const behind = partsOf(texts, words, "endsWith");
  if (before.some(({ rest }) => JOINED_BEFORE.test(rest)) || behind.some(({ rest }) => JOINED_BEHIND.test(rest))) {
    return true;
  }
  const areWhole = (found: readonly Part[]): boolean =>
    found.length > 0 && found.every(({ rest }) => WHOLE.test(rest.trim()));
  const glued = before.filter(({ rest }) => /^\d/.test(rest));
  const currencies = behind.filter(({ word, rest }) => isCurrencyCode(word) && /\d$/.test(rest));
  const otherWords = [...before, ...behind].filter(({ word }) => isCodeAndWord(word));
  return [glued, currencies, otherWords].some(areWhole);
}

/** A text without the word at one of its ends. */
interface Part {
  word: string;
  rest: string;
}

const partsOf = (texts: readonly string[], words: readonly string[], has: "startsWith" | "endsWith"): Part[] =>
  texts.flatMap((text) => {
    const word = words.find((one) => text[has](one));
    if (word === undefined) return [];
    return [{ word, rest: has === "startsWith" ? text.slice(word.length) : text.slice(0, -word.length) }];
  });

/** Telephone numbers in groups: each with the plus of its country, as in `+49 151`. */
const arePhones = (texts: readonly string[]): boolean => texts.every((text) => /^\+\d{1,3} /.test(text));

function asNumbers(texts: FieldTexts, number: NumberOptions): Reading {
  const format = numberFormat(number);
  const facts = noTypeFacts();
  const read = readingOf(texts, (bytes) => {
    const kind = scanNumberAs(format, bytes, { start: 0, end: bytes.length }, scan);
    if (kind === KIND.TEXT || kind === KIND.EMPTY) return undefined;
    const canonical = Buffer.from(format.canonical.subarray(scan.start, scan.end));
    // Strictly: 007 is a code.
    const strict = classify(canonical, 0, canonical.length, scan);
    if (strict === KIND.TEXT) return undefined;
    observe(facts, strict, scan, canonical);
    return canonical.toString("latin1");
  });
  // The files to come may have 12.5 % beside 12 %, and a scale never grows.
  if (number.percent && facts.scale < PERCENT_SCALE_MIN) facts.scale = PERCENT_SCALE_MIN;
  return { type: typeOf(facts), number, ...read };
}

const PERCENT_SCALE_MIN = 4;

const DATES = [
  ...["dd.MM.yyyy", "d.M.yyyy", "dd.MM.yy", "dd/MM/yyyy", "MM/dd/yyyy", "d/M/yyyy", "M/d/yyyy", "dd/MM/yy"],
  ...["MM/dd/yy", "d/M/yy", "M/d/yy", "dd-MM-yyyy", "MM-dd-yyyy", "d-M-yyyy", "M-d-yyyy", "yyyy.MM.dd"],
  ...["yyyy/M/d", "yyyy-M-d", "dd-MMM-yyyy", "d-MMM-yyyy", "dd-MMM-yy", "d-MMM-yy", "dd MMM yyyy", "d MMM yyyy"],
  "MMM d, yyyy",
];
const TIMES = ["", " HH:mm", " HH:mm:ss", " H:mm", " H:mm:ss", " h:mm a", " h:mm:ss a", "'T'HH:mm:ss"];
const FORMATS = DATES.flatMap((date) => TIMES.map((time) => date + time)).map(momentFormat);
const TRIED = 50;

/** The readings as dates or times, best first. */
export function dateReadings(texts: FieldTexts): Reading[] {
  const beginning: FieldTexts = new Map([...texts].slice(0, TRIED));
  const weight = total(beginning);
  const asDates = (format: (typeof FORMATS)[number], of: FieldTexts): Reading => ({
    type: format.kind === KIND.DATE ? "DATE" : "TIMESTAMP",
    format: format.text,
    ...readingOf(of, (bytes) => {
      scan.start = 0;
      scan.end = bytes.length;
      return scanFormatted(format, bytes, scan) === KIND.TEXT ? undefined : `${scan.seconds}.${scan.micros}`;
    }),
  });
  return FORMATS.filter((format) => asDates(format, beginning).fits >= 0.8 * weight)
    .map((format) => asDates(format, texts))
    .sort((a, b) => b.fits - a.fits);
}

const WORDS = new Map<string, boolean>([
  ...[
    "true",
    "t",
    "yes",
    "y",
    "on",
    "ja",
    "j",
    "wahr",
    "oui",
    "o",
    "vrai",
    "si",
    "sí",
    "sì",
    "s",
    "sim",
    "verdadero",
  ].map((word) => [word, true] as const),
  ...["false", "f", "no", "n", "off", "nein", "falsch", "non", "faux", "falso", "não", "nao", "nej", "nee"].map(
    (word) => [word, false] as const,
  ),
]);
const BOOLEAN_TEXTS_MAX = 8;

/** The reading as words for true and false; undefined if it does not have words of both. */
export function wordReading(texts: FieldTexts): Reading | undefined {
  if (texts.size > BOOLEAN_TEXTS_MAX) return undefined;
  const usual = castColumn({ name: "", header: "", type: "BOOLEAN" }, "declared");
  const read = readingOf(texts, (_, text) => {
    const meant = WORDS.get(text.toLowerCase());
    return meant === undefined ? undefined : String(meant);
  });
  const wordsOf = (meant: string): string[] => [
    ...new Set([...read.meaning].flatMap(([text, own]) => (own === meant ? [text.toLowerCase()] : []))),
  ];
  const [trueWords, falseWords] = [wordsOf("true"), wordsOf("false")];
  if (trueWords.length === 0 || falseWords.length === 0) return undefined;
  const isUsual = [...trueWords, ...falseWords].every((word) => USUAL.has(word));
  return { type: usual.type, ...(isUsual ? {} : { trueWords, falseWords }), ...read };
}

const USUAL = new Set(["true", "t", "yes", "y", "on", "false", "f", "no", "n", "off"]);

export const total = (texts: FieldTexts): number => [...texts.values()].reduce((sum, count) => sum + count, 0);
