import { NO_ERRORS } from "./failure-words.ts";

/** Lines with which programs report what they did: counts of rows, times, and that all went well. */

const AMOUNT = "(?:\\d{1,3}(?:[.,' \\u00a0]\\d{3})+|\\d+)";
const ROWS =
  "(?:rows?|records?|lines?|entries|results?|tuples|zeilen?|sätze|datensätze|einträge|lignes?|enregistrements|" +
  "filas?|" +
  "registros?|righe|riga|linhas?|rijen|rij|wierszy|wiersze|rader|rækker|строк[аи]?|件|行)";

/** How long it took: `2 rows in set (0.01 sec)`. */
const SECONDS = "\\([\\d.,:]+ ?\\p{L}*\\)";

/** A number of rows, and perhaps what was done with them: `1,200 rows selected.` */
const COUNT = new RegExp(`^\\W*${AMOUNT}\\s+${ROWS}(?:\\s+\\p{L}+){0,3}(?: ?${SECONDS})?[\\s.!)\\]-]*$`, "iu");
/** Such a line that is a sentence, or in brackets: no row has these words by chance. */
const COUNT_SENTENCE = new RegExp(
  `^\\W*${AMOUNT}\\s+${ROWS}(?:(?:\\s+\\p{L}+){1,3}(?: ?${SECONDS})?[\\s.!]*|\\s*[.)\\]][\\s.)]*)$`,
  "iu",
);
const LABELLED =
  /^\W*(?:(?:number of |total )?(?:records?|rows?|lines?|errors?|warnings?|duplicates|fehler|warnungen|zeilen|datensätze)|(?:(?:total|query|execution|processing|elapsed|run|cpu) ?)?time(?: taken| elapsed)?|elapsed|duration|runtime|laufzeit|dauer|durée|duración|durata|duração)\s*[:=]\s*\S.*\d/iu;
const DONE =
  /^\W*(?:the |der |die |das )?(?:\p{L}*export|import|query|report|job|download|dump|process(?:ing)?|transfer|command|statement|extract|abfrage|bericht|requête|consulta|exportación|exportação|esportazione|eksport)(?:\s\S+){0,3}\s(?:finished|completed?|done|succeeded|successful(?:ly)?|ok|abgeschlossen|beendet|erfolgreich|terminée?|réussie?|completad[oa]|finalizad[oa]|completat[ao]|concluíd[ao]|voltooid|zakończon\p{L})(?![\p{L}\p{N}])/iu;

/** Bounds the time of the expressions. */
const CHARS_MAX = 200;

/** True for a line that reports the work of a program. */
export const isReport = (text: string): boolean =>
  text.length <= CHARS_MAX && ([COUNT, LABELLED, DONE].some((pattern) => pattern.test(text)) || isWithoutErrors(text));

/** True for words that nothing went wrong, and one more at most: `Completed without errors`. */
function isWithoutErrors(text: string): boolean {
  const rest = text.replaceAll(NO_ERRORS, "");
  return rest !== text && /^\W*(?:\p{L}+\W*)?$/u.test(rest);
}

export const countsInWords = (text: string): boolean => text.length <= CHARS_MAX && COUNT_SENTENCE.test(text);

/** The number at the beginning of a line, also with separators of thousands; undefined: there is none. */
export function numberIn(text: string): number | undefined {
  const [amount] = LEADING.exec(text.slice(0, CHARS_MAX)) ?? [];
  return amount === undefined ? undefined : Number(amount.replace(/\D/g, ""));
}

const LEADING = new RegExp(`^\\W*${AMOUNT}(?![\\p{L}\\p{N}.,])`, "u");
