import { isDateOrTime, isTypedCell } from "../kinds.ts";
import { YEAR } from "../profile.ts";

/** What a line above a table says, and no name of a column: dates, months, and words of reports. Pure. */

const MONTHS =
  "jan(?:uar|uary|vier|eiro)?|feb(?:ruar|ruary)?|f[ée]vr(?:ier)?|fevereiro|m(?:är|ae|a)rz|mar(?:ch|s|zo|ço)?|" +
  "apr(?:il|ile)?|avril|abril|ma[iy]o?|mei|juni?|june|juin|junio|junho|jul[iy]?|juillet|julio|julho|" +
  "aug(?:ust)?|août|agosto|sept?(?:ember|embre)?|setembro|septiembre|o[kc]t(?:ober|obre|ubre)?|outubro|" +
  "nov(?:ember|embre|iembre|embro)?|de[zc](?:ember|embre|embro)?|d[ée]cembre|diciembre|ene(?:ro)?|" +
  "gennaio|febbraio|febrero|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|jänner";
const YEAR_TEXT = "(?:(?:19|20)\\d\\d|['’]\\d\\d)";
/** A month or a quarter with its year, alone or at the end of a cell: `Sales January 2026`, `2026-Q1`. */
const PERIOD = new RegExp(
  `(?:^|[\\s(])(?:(?:${MONTHS})\\.?,?[ -]${YEAR_TEXT}|` +
    `(?:q[1-4]|h[12]|kw ?\\d\\d?|week \\d\\d?|fy)[ /-]?${YEAR_TEXT}|` +
    `${YEAR_TEXT}[ /-]?(?:q[1-4]|h[12]|kw ?\\d\\d?|${MONTHS}))\\)?$`,
  "iu",
);
/** A date within other text: `as of 2026-01-31`. */
const WITH_DATE =
  /(?:^|[\s(:])(?:(?:19|20)\d\d([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:19|20)?\d\d)(?:$|[\s),])/;

/** Words that say what a file is, or what its rows were chosen by. */
const WORDS = new RegExp(
  "^(?:" +
    [
      "(?:[\\p{L}-]+ )?(?:report|export|extract|dump|listing|overview|summary|statement|ledger|filter|snapshot)s?",
      "(?:[\\p{L}-]+ )?(?:sheet|list|table|print(?:ed|out)|inventory|balances?|sales|forecast|budget)",
      "(?:generated|exported|printed|downloaded|selection|period|as of|prepared)\\b.*",
      "(?:page|seite)(?: \\d.*)?",
      "\\p{L}*(?:auszug|bericht|liste|übersicht|auswertung|aufstellung|zusammenfassung|bestand|umsätze|umsatz|journal)",
      "(?:stand|erstellt|auswahl|zeitraum|druck|gedruckt|datei|tabelle|blatt|mandant|filiale|filter)\\b.*",
      "\\p{L}*(?:abrechnung|auftrag|planung|inventur|statistik)",
      "(?:rapport|relevé|extrait|liste|tableau|période|édité|filtre|bilan|page)\\b.*",
      "(?:informe|listado|extracto|resumen|reporte|período|filtro|página|hoja|relatório|extrato|lista)\\b.*",
      "(?:rapporto|estratto|elenco|riepilogo|periodo|pagina|foglio|overzicht|rapportage|afschrift)\\b.*",
    ].join("|") +
    ")$",
  "iu",
);
/** Ends of names of firms. */
const FIRM =
  /[\s,](?:ltd|llc|inc|corp|co|plc|gmbh|ag|kg|ohg|ug|e\.?v|s\.?a|s\.?r\.?l|s\.?p\.?a|bv|b\.v|nv|ab|as|oy|pty)\.?$/i;

/** Words that end a sentence part, rather than a name of a column. */
const isSentence = (text: string): boolean => text.split(/\s+/).length > 4 || /\p{L}[.!]$/u.test(text);

/** True for a value that nobody names a column by, but for tables by years. */
export const isMoment = (text: string): boolean => isDateOrTime(text) || PERIOD.test(text) || WITH_DATE.test(text);

/** True for text that says what the file is. */
export const saysWhat = (text: string): boolean =>
  WORDS.test(text) || FIRM.test(text) || text.endsWith(":") || isSentence(text);

/** What lines have of a title, from nothing to a date. Names have a `value`, a year or a number, too. */
export type TitleSign = "none" | "value" | "words" | "moment";

/** Longer cells are hardly titles. Bounds the time. */
const CHARS_MAX = 200;

export function titleSign(cells: readonly string[]): TitleSign {
  const texts = cells.map((cell) => cell.trim().slice(0, CHARS_MAX)).filter((text) => text !== "");
  if (texts.some(isMoment)) return "moment";
  if (texts.some(saysWhat)) return "words";
  const isValue = (text: string): boolean => YEAR.test(text) || isTypedCell(text);
  return texts.some(isValue) ? "value" : "none";
}

const NO_VALUE = new RegExp(
  "^(?:" +
    [
      "unk(?:nown)?|unbekannt|inconnue?|desconocid[oa]|sconosciut[oa]|missing|fehlt|fehlend|tb[dacn]|none|null",
      "pending|offen|open|errors?|fehler|inf(?:inity)?|invalid|ungültig|secret|geheim|withheld|hidden|overflow",
      "trace|free|gratis|absent|various|varies|diverse?|low|high|many|few|several|all|ausstehend|entfällt",
      "#.*|k\\. ?a\\.?|s\\. ?[ou]\\.?",
      "(?:no|not|non|keine?|nicht|ohne|sans|sin|see|siehe|auf|on|to be|noch|less|more|under|over|unter|über)\\b.*",
      "(?:ca|approx)\\b.*",
    ].join("|") +
    ")$",
  "iu",
);

/** True for words that stand for a value: unknown, not available. */
export const isNoValue = (text: string): boolean => NO_VALUE.test(text.trim());

/** Names of columns of numbers. */
const MEASURE = new RegExp(
  "^(?:(?:\\p{L}+[ _])?(?:" +
    [
      "salary|wages?|income|revenue|sales|turnover|profit|loss|balance|budget|debit|credit|fee",
      "rate|score|points|rating",
      "population|pop|visitors|visits|views|clicks|users|orders|votes|stock|weight|height|length|width|depth|size|area",
      "speed|volume|mass|temp|temperature|rain|rainfall|precipitation|humidity|pressure|wind|voltage|current|power",
      "ph|lat|latitude|lon|lng|longitude|percent|percentage|share|ratio|mean|average|avg|median|sum|frequency|duration",
      "saldo|umsatz|umsätze|gehalt|lohn|wert|bestand|gewicht|länge|laenge|höhe|hoehe|breite|fläche|temperatur|druck",
      "anteil|stück|dauer|kosten|soll|haben|gewinn|einwohner|besucher|solde|poids|taille|peso",
      "saldo|importe|valor|valore",
      "hours|minutes|stunden|minuten|stimmen|sitze|seats|goals|tore|marks?|grade|noten?|sold|on hand|readings?",
      "messwerte?",
    ].join("|") +
    "))$",
  "iu",
);

export const isMeasure = (text: string): boolean => MEASURE.test(text.trim());
