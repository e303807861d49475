/** Judges decoded text: text of the wrong encoding mixes scripts, cases and signs within words. */

const SCRIPTS: readonly [name: string, pattern: RegExp][] = [
  ["Latin", /\p{Script=Latin}/u],
  ["Cyrillic", /\p{Script=Cyrillic}/u],
  ["Greek", /\p{Script=Greek}/u],
  ["Hebrew", /\p{Script=Hebrew}/u],
  ["Arabic", /\p{Script=Arabic}/u],
  ["Thai", /\p{Script=Thai}/u],
  ["wide", /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u],
];

/** Signs that follow a letter, stand before one or between two, and signs that stand alone. */
const AFTER = new Set("”»’…™®©°%²³¹ªº“–—´\u00a0、。，．・：；！？）」』】〉》ー々");
const BEFORE = new Set("“„«‘‚¿¡§№€£¥$–—°•†\u00a0・（「『【〈《");
const CURRENCY = new Set("€£¥");
const BETWEEN = new Set("’·–—\u00ad\u00a0・／＆－");
const NEVER = /[¤¬¦¶\u2500-\u259f\u2320\u2321\ue000-\uf8ff]/u;
const LETTER = /[\p{L}\p{M}]/u;
const UPPER = /\p{Lu}/u;
const LOWER = /\p{Ll}/u;

/** Characters that are judged. */
const JUDGED_MAX = 4000;

/** Share of the non-ASCII characters that are out of place, 0 to 1. */
export function oddShare(text: string): number {
  const characters = Array.from(text.slice(0, 16 * JUDGED_MAX));
  let [odd, all] = [0, 0];
  for (let at = 0; at < characters.length && all < JUDGED_MAX; at++) {
    const character = characters[at]!;
    if (character < "\u0080") continue;
    all++;
    if (isOdd(character, characters[at - 1] ?? " ", characters[at + 1] ?? " ")) odd++;
  }
  if (all === 0) return 0;
  return lacksThaiVowels(text) ? 1 : Math.min(1, (odd + foreignLetters(text.slice(0, 16 * JUDGED_MAX))) / all);
}

/**
 * Letters of another language than the text's: of Serbian or Macedonian in text with letters that only other
 * Cyrillic languages have, which are the capitals of a Macintosh, read as Windows-1251; of Icelandic in text
 * with ç and without its vowels, which are letters of Turkish, read as Windows-1252.
 */
function foreignLetters(text: string): number {
  const count = (letters: RegExp): number => text.match(letters)?.length ?? 0;
  const serbian = /[йяющьыэъё]/i.test(text) ? count(/[ЂЃѓЉЊЌЋЏђљњќћџ]/g) : 0;
  const icelandic = /ç/i.test(text) && !/[áéíóúæ]/i.test(text) ? count(/[ðþý]/gi) : 0;
  return serbian + icelandic;
}

/**
 * More than a third of Thai text are vowels and tone marks; other bytes read as Thai are mostly
 * consonants.
 */
function lacksThaiVowels(text: string): boolean {
  const consonants = text.match(/[\u0e01-\u0e2f]/g)?.length ?? 0;
  const vowels = text.match(/[\u0e30-\u0e4e]/g)?.length ?? 0;
  return consonants >= 4 && vowels < 0.1 * consonants;
}

/** How characters beyond ASCII stand in text: `signs` and `letters` alone between ASCII, or in words. */
export type Stand = "signs" | "letters" | "words";

const SIGNS = /[€£¥§©®°±²³µ·¹º¼½¾×÷ª«»¿¡–—‘’‚“”„†‡•…‰‹›™\u00a0\u00ad]/u;

/** Signs that are the same in all code pages of Windows, and so may stand beside a letter. */
const SAME_SIGNS = /[’‘“”„«»–—™®©°€…†‡•‹›·\u00a0\u00ad]/u;

/**
 * `signs`: each character is a usual sign of western text between ASCII characters. `letters`: each stands
 * alone, some are letters.
 */
export function standOf(text: string): Stand {
  let stand: Stand = "signs";
  for (const match of text.matchAll(/[^\x00-\x7f]+/g)) {
    const [run] = match;
    if (run.length > 1) return "words";
    const before = text.slice(Math.max(0, match.index - 3), match.index);
    const precedes = /[A-Za-z]/.test(text[match.index + 1] ?? "");
    const isWithin = precedes && /[A-Za-z]$/.test(before);
    if (SAME_SIGNS.test(run) && (BETWEEN.has(run) || !isWithin)) continue;
    const isAlone = !/[A-Za-z]$/.test(before) && !precedes;
    // m², cm³ and µg, but not Micha³.
    const isUnit = /[²³]/.test(run) ? !precedes && /(^|[^A-Za-z])[A-Za-z]{1,2}$/.test(before) : /[µμ]/.test(run);
    if (!isAlone && !isUnit) return "words";
    if (!SIGNS.test(run)) stand = "letters";
  }
  return stand;
}

/** As `oddShare`, for each of two texts of one length, but only of the characters that differ. */
export function oddWhereDifferent(one: string, other: string): [number, number] {
  const texts = [Array.from(one), Array.from(other)] as const;
  if (texts[0].length !== texts[1].length) return [0, 0];
  const odd = [0, 0];
  let all = 0;
  for (let at = 0; at < texts[0].length && all < JUDGED_MAX; at++) {
    if (texts[0][at] === texts[1][at]) continue;
    all++;
    texts.forEach((text, index) => {
      if (isOdd(text[at]!, text[at - 1] ?? " ", text[at + 1] ?? " ")) odd[index]!++;
    });
  }
  return [odd[0]! / Math.max(1, all), odd[1]! / Math.max(1, all)];
}

function isOdd(character: string, before: string, after: string): boolean {
  const [follows, precedes] = [isWord(before), isWord(after)];
  if (LETTER.test(character)) {
    if (follows && mixesScripts(before, character)) return true;
    if (precedes && mixesScripts(after, character)) return true;
    if (LOWER.test(character)) return character !== "ß" && UPPER.test(before) && UPPER.test(after);
    return UPPER.test(character) && LOWER.test(before);
  }
  if (NEVER.test(character)) return true;
  if (follows && precedes) return !BETWEEN.has(character) && !(isWide(before) && isWide(after));
  if (follows) return !AFTER.has(character);
  return precedes && (!BEFORE.has(character) || (CURRENCY.has(character) && after > "\u007f"));
}

const isWord = (character: string): boolean => LETTER.test(character);

const scriptOf = (letter: string): string | undefined => SCRIPTS.find(([, pattern]) => pattern.test(letter))?.[0];

const isWide = (letter: string): boolean => scriptOf(letter) === "wide";

function mixesScripts(one: string, other: string): boolean {
  const [a, b] = [scriptOf(one), scriptOf(other)];
  if (a === undefined || b === undefined || a === b) return false;
  // Japanese, Chinese and Korean text writes Latin words and units without a blank.
  const plain = (letter: string): boolean => letter < "\u0080" || /[\uff01-\uff5e]/.test(letter);
  return !((a === "wide" && plain(other)) || (b === "wide" && plain(one)));
}

/** Characters that text in the right encoding hardly ever has where they are: single ones tell. */
const MISPLACED: readonly RegExp[] = [
  // A sign within a word; W/m²K is a unit.
  /(?<=\p{L})(?<!(?<!\p{L})\p{L}{1,2}(?=[²³]))[±²³¹ªº¼½¾§¤¬¦¶¢£¥¿¡×÷№‰\u2500-\u259f](?=\p{L})/gu,
  // A sign that begins a word; ºC is often written for °C, and £m means millions.
  /(?<![\p{L}\p{N}])[ªº¹²³](?=\p{L})(?![CFKN](?!\p{L}))/gu,
  /(?<![\p{L}\p{N}])[£¥¢](?=\p{Ll}{3})/gu,
  // A French capital that only names in capitals have, such as L'HAŸ: the ü of a Macintosh.
  /Ÿ(?=\p{Ll})/gu,
  // Small letters of Ukrainian, Serbian and Macedonian behind capitals, as in text of other bytes.
  /(?<=\p{Lu}\p{Lu})[іґєјѕї]/gu,
];

/** Below this share of the characters beyond ASCII, misplaced ones are slips of the writer. */
const MISPLACED_SHARE = 0.02;

/** True if signs stand inside words, or letters of several scripts, more often than a writer's slips. */
export function isMisread(text: string): boolean {
  const judged = text.slice(0, 16 * JUDGED_MAX);
  const all = judged.match(/[^\x00-\x7f]/g)?.length ?? 0;
  const found = MISPLACED.reduce(
    (sum, pattern) => sum + (judged.match(pattern)?.length ?? 0),
    mixedPairs(judged) + foreignLetters(judged),
  );
  return found > 0 && found >= MISPLACED_SHARE * all;
}

/** Neighbours of different scripts. ASCII letters are left out: they are parts of names and units. */
const mixedPairs = (text: string): number =>
  (text.match(/[^\x00-\x7f]{2,}/g) ?? []).reduce((sum, run) => {
    const letters = Array.from(run);
    return sum + letters.filter((one, at) => at > 0 && isMixed(letters[at - 1]!, one)).length;
  }, 0);

const isMixed = (one: string, other: string): boolean =>
  LETTER.test(one) && LETTER.test(other) && mixesScripts(one, other);
