import { createRequire } from "node:module";
import type * as Detector from "jschardet";
import type { Encoding, FoundEncoding } from "../encoding.ts";
import { bytesOf, isMultiByte, isUtf8Line, strictText, type LegacyEncoding } from "./legacy.ts";
import { isMisread, oddShare, oddWhereDifferent, standOf } from "./plausible.ts";
import { exampleOf, linesIn } from "./sample.ts";

/**
 * The detector's names of the encodings that are detected. Encodings that it confuses with them are left
 * out.
 */
const DETECTED: ReadonlyMap<string, LegacyEncoding> = new Map([
  ["windows-1252", "windows-1252"],
  ["windows-1250", "windows-1250"],
  ["windows-1251", "windows-1251"],
  ["windows-1253", "windows-1253"],
  ["windows-1254", "windows-1254"],
  ["windows-1255", "windows-1255"],
  ["windows-1256", "windows-1256"],
  ["windows-1257", "windows-1257"],
  ["windows-1258", "windows-1258"],
  ["cp874", "windows-874"],
  ["iso-8859-2", "iso-8859-2"],
  ["iso-8859-5", "iso-8859-5"],
  ["iso-8859-7", "iso-8859-7"],
  ["iso8859-15", "iso-8859-15"],
  ["koi8-r", "koi8-r"],
  ["koi8-u", "koi8-u"],
  ["macroman", "macintosh"],
  ["maccyrillic", "x-mac-cyrillic"],
  ["ibm866", "ibm866"],
  ["cp437", "cp437"],
  ["cp850", "cp850"],
  ["cp852", "cp852"],
  ["cp932", "shift_jis"],
  ["euc-jp", "euc-jp"],
  ["gb18030", "gb18030"],
  ["big5", "big5"],
  ["cp949", "euc-kr"],
]);

/** Bytes of lines that are shown to the detector. */
const DETECTOR_BYTES = 32 * 1024;

/** A rival whose score is at least this share of the best leaves a doubt. */
const RIVAL_SHARE = 0.9;
/** What is usual weighs more, what is rare today less. */
const WEIGHTS: Partial<Record<LegacyEncoding, number>> = {
  "windows-1252": 1.1,
  macintosh: 0.8,
  "x-mac-cyrillic": 0.9,
  cp437: 0.8,
  cp850: 0.8,
  cp852: 0.8,
};
const PINNED_WEIGHT = 1.5;

interface Reading {
  text: string;
  /** The encodings that give this text, likeliest first. */
  encodings: LegacyEncoding[];
  score: number;
}

/**
 * The most likely encoding of text that is not UTF-8, among those in which all its bytes are defined. A
 * statistical detector rates them; characters that are out of place in their words lower the rate.
 */
export function detectLegacy(sample: Buffer, pinned: Encoding | undefined): FoundEncoding {
  const all = linesIn(sample);
  const lines = all.filter((line) => !isUtf8Line(line, "windows-1252"));
  const bytes = beginningOf(lines);
  const special = detectLone(bytes, pinned) ?? detectKatakana(bytes);
  if (special) return special;
  const readings = readingsOf(bytes, pinned);
  const [best, rival] = readings;
  if (!best) {
    const doubt = "no known encoding has all of the file's bytes";
    return { encoding: "windows-1252", confidence: 0, evidence: doubt, doubt };
  }
  const encoding = best.encodings[0]!;
  const usual = encoding === pinned ? ", the table's usual encoding" : "";
  const evidence = `not UTF-8; all bytes are defined in ${encoding}${usual}, and the text is most likely in it: ${exampleOf(best.text)}`;
  const share = rival ? rival.score / best.score : 0;
  const confidence = Math.round((1 - share / 2) * 100) / 100;
  const doubt = doubtOf(readings, share) ?? mixedDoubt(all.length - lines.length, all.length, encoding);
  return { encoding, confidence, evidence, ...(doubt === undefined ? {} : { doubt }) };
}

/**
 * Text whose characters beyond ASCII stand alone, such as € and °: statistics of words say nothing about it.
 * Undefined for other text.
 */
function detectLone(bytes: Buffer, pinned: Encoding | undefined): FoundEncoding | undefined {
  const western = strictText(bytes, "windows-1252");
  const stand = western === undefined ? "words" : standOf(western);
  if (stand === "words") return undefined;
  const own = pinned === undefined || pinned.startsWith("utf-") ? undefined : (pinned as LegacyEncoding);
  const text = own && strictText(bytes, own);
  if (own && text !== undefined && oddShare(text) === 0) {
    return {
      encoding: own,
      confidence: 0.9,
      evidence: `not UTF-8; the table's usual encoding gives ${exampleOf(text)}`,
    };
  }
  const found = { encoding: "windows-1252", confidence: 0.9, evidence: `not UTF-8; ${exampleOf(western!)}` } as const;
  if (stand === "signs") return found;
  return {
    ...found,
    confidence: 0.5,
    doubt: `single letters tell no encoding: ${exampleOf(western!)} in windows-1252`,
  };
}

const KATAKANA_MIN = 8;

/**
 * Katakana of half width in Shift-JIS, as banks use it: single bytes that the detector takes for letters.
 * Voice marks (0xde, 0xdf) follow certain letters only. Undefined for other text.
 */
function detectKatakana(bytes: Buffer): FoundEncoding | undefined {
  let [all, early, marks, signs] = [0, 0, 0, 0];
  for (const [at, byte] of bytes.entries()) {
    if (byte < 0x80) continue;
    if (byte < 0xa1 || byte > 0xdf) return undefined;
    all++;
    if (byte < 0xb0) signs++;
    if (byte >= 0xb1 && byte < 0xc0) early++;
    if (byte < 0xde) continue;
    marks++;
    const before = bytes[at - 1] ?? 0;
    if (before !== 0xb3 && !(before >= 0xb6 && before <= 0xc4) && !(before >= 0xca && before <= 0xce)) return undefined;
  }
  if (early < 0.15 * all || early > 0.8 * all) return undefined;
  const text = strictText(bytes, "shift_jis")!;
  const evidence = `not UTF-8; katakana of half width: ${exampleOf(text)}`;
  if (all >= KATAKANA_MIN && marks > 1) return { encoding: "shift_jis", confidence: 0.9, evidence };
  // A few bytes without voice marks may be anything; small letters and signs among them speak for other
  // encodings.
  if (signs > 0) return undefined;
  const doubt = `few katakana of half width, or another encoding: ${exampleOf(text)} in shift_jis`;
  return { encoding: "shift_jis", confidence: 0.5, evidence, doubt };
}

/** Whole lines; a first line that is longer than the limit is cut. */
function beginningOf(lines: readonly Buffer[]): Buffer {
  const kept: Buffer[] = [];
  let length = 0;
  for (const line of lines) {
    if (length > 0 && length + line.length > DETECTOR_BYTES) break;
    kept.push(line.subarray(0, DETECTOR_BYTES));
    length += line.length;
  }
  return Buffer.concat(kept);
}

function readingsOf(bytes: Buffer, pinned: Encoding | undefined): Reading[] {
  const readings: Reading[] = [];
  for (const [encoding, rated] of ratings(bytes)) {
    const text = uncutText(bytes, encoding);
    if (text === undefined) continue;
    const weight = (WEIGHTS[encoding] ?? 1) * (encoding === pinned ? PINNED_WEIGHT : 1);
    const score = rated * weight * (1 - oddShare(text)) ** 4;
    const same = readings.find((reading) => reading.text === text);
    if (!same) readings.push({ text, encodings: [encoding], score });
    else if (encoding === pinned || encoding === "windows-1252") same.encodings.unshift(encoding);
    if (same) same.score = Math.max(same.score, score);
  }
  return settleTwins(
    settleEuc(
      bytes,
      readings.sort((a, b) => b.score - a.score),
    ),
  );
}

/** The detector's model takes 80 ms to load: only files that are not UTF-8 need it. */
function ratings(bytes: Buffer): Map<LegacyEncoding, number> {
  const found = ratedIn(bytes, [...DETECTED.keys()]);
  for (const [name, encoding] of DETECTED) {
    const lower = isMultiByte(encoding) ? undefined : lowerOf(bytes, encoding);
    const rated = lower && ratedIn(lower, [name, FALLBACK]).get(encoding);
    if (rated !== undefined) found.set(encoding, Math.max(found.get(encoding) ?? 0, rated));
  }
  return found;
}

/** What the detector says of text that it does not know, with a warning if it is not asked for. */
const FALLBACK = "windows-1252";

function ratedIn(bytes: Buffer, detectEncodings: string[]): Map<LegacyEncoding, number> {
  const { detectAll } = createRequire(import.meta.url)("jschardet") as typeof Detector;
  const found = new Map<LegacyEncoding, number>();
  for (const { encoding, confidence } of detectAll(bytes, { minimumThreshold: 0, detectEncodings })) {
    const own = DETECTED.get(encoding?.toLowerCase() ?? "");
    if (own) found.set(own, Math.max(found.get(own) ?? 0, confidence));
  }
  return found;
}

/**
 * Text in capitals as small letters. The detector knows the languages in small letters, and МОСКВА in
 * Windows-1251 has the bytes of small letters in KOI8-R. Undefined for other text.
 */
function lowerOf(bytes: Buffer, encoding: LegacyEncoding): Buffer | undefined {
  const text = uncutText(bytes, encoding);
  const words = text?.match(WORDS)?.filter((word) => /[^\x00-\x7f]/.test(word)) ?? [];
  const capitals = words.filter((word) => word.length > 1 && word === word.toUpperCase()).length;
  if (text === undefined || capitals === 0 || capitals < CAPITALS_SHARE * words.length) return undefined;
  return bytesOf(text.toLocaleLowerCase(encoding === "windows-1254" ? "tr" : "und"), encoding);
}

const WORDS = /\p{L}+/gu;
const CAPITALS_SHARE = 0.5;

/** The text; without up to three bytes at the end, where a sample may cut a character. */
function uncutText(bytes: Buffer, encoding: LegacyEncoding): string | undefined {
  for (let cut = 0; cut <= 3 && cut < bytes.length; cut++) {
    const text = strictText(bytes.subarray(0, bytes.length - cut), encoding);
    if (text !== undefined || bytes.at(-1) === LF) return text;
  }
  return undefined;
}

const LF = 10;

/** Encodings whose characters can be two bytes from 0xa1 on. */
const EUC = ["euc-jp", "gb18030", "euc-kr", "big5"] as const;
const EUC_CHARACTERS_MIN = 12;
const LATE_CHARACTERS_MIN = 40;

/**
 * Text in pairs of bytes from 0xa1 on is Japanese, Chinese or Korean by its first bytes, which the
 * detector does not weigh enough: Japanese has kana, and its usual characters are below 0xd0; a quarter
 * of Chinese is above; Korean syllables end at 0xc8. Of Big5, a third of the second bytes are below 0x80.
 */
function settleEuc(bytes: Buffer, readings: Reading[]): Reading[] {
  const rivals = readings.filter(({ encodings }) => EUC.some((name) => encodings.includes(name)));
  const isShaped = rivals.some(({ encodings }) => encodings.includes("euc-jp")) && rivals.includes(readings[0]!);
  if (!isShaped) return readings;
  const { characters, kana, middle, late } = leadsIn(bytes);
  // In few characters the absence of a quarter of them is chance.
  const lacksLate = characters >= LATE_CHARACTERS_MIN && late < 0.05 * characters;
  const isJapanese = kana > 0.1 * characters || (middle > 0.05 * characters && lacksLate);
  const isChinese = kana < 0.02 * characters && late > 0.1 * characters;
  const isKorean = kana + middle + late < 0.05 * characters;
  const names = [...(isJapanese ? ["euc-jp"] : []), ...(isChinese ? ["gb18030"] : []), ...(isKorean ? ["euc-kr"] : [])];
  const score = readings[0]!.score;
  const settled = characters >= EUC_CHARACTERS_MIN && names.length === 1;
  for (const rival of rivals) rival.score = !settled || rival.encodings.some((name) => name === names[0]) ? score : 0;
  return readings.sort((a, b) => b.score - a.score);
}

/** Counts pairs of bytes by their first byte; other signs and rows do not count. */
function leadsIn(bytes: Buffer): { characters: number; kana: number; middle: number; late: number } {
  const [counts, pairs] = [{ kana: 0, early: 0, middle: 0, late: 0 }, bytes.length - 1];
  for (let at = 0; at < pairs; at++) {
    const byte = bytes[at]!;
    if (byte < 0x80) continue;
    at++;
    if (byte === 0xa4 || byte === 0xa5) counts.kana++;
    else if (byte >= 0xd0) counts.late++;
    else if (byte >= 0xc9) counts.middle++;
    else if (byte >= 0xb0) counts.early++;
  }
  const { kana, early, middle, late } = counts;
  return { characters: kana + early + middle + late, kana, middle, late };
}

/**
 * Of two readings with nearly the same score that differ in a few characters, those characters decide: one
 * reading has letters where the other has signs inside words.
 */
function settleTwins(readings: Reading[]): Reading[] {
  const [best, rival] = readings;
  if (!best || !rival || rival.score < RIVAL_SHARE * best.score) return readings;
  const [own, other] = oddWhereDifferent(best.text, rival.text);
  if (own <= TWIN_ODD_MAX && other >= TWIN_ODD_MIN) rival.score = 0;
  else if (other <= TWIN_ODD_MAX && own >= TWIN_ODD_MIN) best.score = 0;
  return readings.sort((a, b) => b.score - a.score);
}

const [TWIN_ODD_MAX, TWIN_ODD_MIN] = [0.1, 0.5];

/** Of these the second has letters where the first has controls: long text without controls tells. */
const SIBLINGS: ReadonlySet<string> = new Set(["iso-8859-2 windows-1250"]);
const SIBLING_LETTERS_MIN = 12;

function doubtOf(readings: readonly Reading[], share: number): string | undefined {
  const [best, rival] = readings as [Reading, Reading?];
  const [own, other] = [best.encodings[0]!, rival?.encodings[0]];
  if (oddShare(best.text) > ODD_MAX || isMisread(best.text))
    return `no encoding reads well; ${own} gives ${exampleOf(best.text)}`;
  const western = readings.find(({ encodings }) => encodings.includes("windows-1252"));
  const isWestern = western && western !== best && mayBeWestern(best, western);
  if (isWestern) return `${own} gives ${exampleOf(best.text)}, windows-1252 gives ${exampleOf(western.text)}`;
  if (!rival || share < RIVAL_SHARE) return undefined;
  const letters = best.text.match(/[^\x00-\x7f]/g)?.length ?? 0;
  if (SIBLINGS.has(`${own} ${other}`) && letters >= SIBLING_LETTERS_MIN) return undefined;
  return `${own} gives ${exampleOf(best.text)}, ${other} gives ${exampleOf(rival.text)}`;
}

/**
 * Few letters tell western text in Windows-1252, which is most of it, from text of its neighbours: Muñoz is
 * Muńoz in Windows-1250.
 */
function mayBeWestern(best: Reading, western: Reading): boolean {
  if (western.score < WESTERN_SHARE * best.score || oddShare(western.text) > 0) return false;
  const others = Array.from(western.text);
  const letters = Array.from(best.text);
  if (letters.length !== others.length) return false;
  return letters.filter((letter, at) => letter !== others[at]).length < WESTERN_LETTERS_MIN;
}

const WESTERN_SHARE = 0.6;
const WESTERN_LETTERS_MIN = 6;

const ODD_MAX = 0.3;

const mixedDoubt = (utf8Lines: number, lines: number, encoding: Encoding): string | undefined =>
  utf8Lines === 0
    ? undefined
    : `${utf8Lines} of ${lines} lines with characters beyond ASCII are UTF-8, not ${encoding}`;
