/** Of ISO 4217, with those that are out of use. */
const CODES: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

/** Those of them that are words as well. */
const WORDS: ReadonlySet<string> = new Set("ALL BAM BOB CUP GEL MAD MOP PEN RON SIT SOS TOP TRY XTS XXX".split(" "));

export const isCurrencyCode = (text: string): boolean => CODES.has(text);

/** True for codes such as TOP, CUP and ALL, which stand before the numbers of other things. */
export const isCodeAndWord = (text: string): boolean => WORDS.has(text);
