/** Words with which rows begin that are no data, in the languages of most files. */

const TOTALS =
  "(?:grand |sub)?(?:total|totals|totale|totaal|sum|summe|summa|gesamt|gesamtsumme|gesamtbetrag|gesamtergebnis|" +
  "endsumme|endbetrag|insgesamt|suma|soma|razem|i alt|yhteensä|összesen|celkem|toplam|итого|всего|合計|合计|总计)";

export const TOTAL = new RegExp(`^${TOTALS}(?![\\p{L}\\p{N}])`, "iu");

/** A label of totals and nothing else: `Total Energies` may be a name. */
export const TOTAL_ALONE = new RegExp(`^${TOTALS}(?: g[eé]n[eé]ral[e]?| geral| amount| sum)?[\\s:=.]*$`, "iu");

/** Names of a sum that may as well be a value. */
export const ALL = /^(?:all|alle|overall|todos|todas|tous|tutti)[\s:]*$/iu;

export const SUBTOTAL =
  /^(?:\*{1,4}$|(?:sub-?|grand )?(?:total|summe|suma|totale)(?![\p{L}\p{N}])|zwischensumme|sous-total|subtotale|(?:carried|brought) forward|übertrag(?![\p{L}\p{N}]))/iu;

/** The end of a subtotal's label, behind the name of its group. */
export const SUBTOTAL_END = /\S (?:sub-?)?(?:total|summe|suma|totale)[\s:]*$/iu;

export const COUNT =
  /^\W*(?:\d+ (?:rows?|records?|lines?)\b|(?:number of )?(?:rows?|records?|lines?)\W+\d+\W*$|eof\W*$|end(?: of \w+)?\W*$)/i;

export const STATISTIC =
  /^(?:average|avg|mean|median|min|max|minimum|maximum|count|std|stdev|sd|variance|anzahl|mittelwert|durchschnitt|moyenne|media|promedio)(?![\p{L}\p{N}])/iu;

export const BALANCE =
  /^(?:(?:opening|closing|ending|final|new|old|previous) balance|balance(?: brought| carried| forward|$|:)|(?:end|anfangs|neuer |alter )?saldo|(?:neuer |alter )?stand|(?:nuovo |ancien |nouveau )?sold[eo]|übertrag)(?![\p{L}\p{N}])/iu;

/** Words for a failure, if they begin a line. Other words may follow: `Error bars show the deviation`. */
const FIRST =
  "(?:(?:php|fatal|sql|internal|server|query|unexpected|unhandled|parse|runtime|uncaught|an|the)\\s+)*" +
  "(?:error|errors|exception|failure|failed|fatal|traceback|fehler|abbruch|erreur|errore|ошибка)" +
  "(?:\\s*[:!([\\]})#*<-]|\\s+\\d|\\s*$|" +
  "\\s+(?:in|at|on|while|when|during|code|no|occurred|bei|beim|lors)(?![\\p{L}\\p{N}]))";
const ENDED = "(?:was |is |has been )?(?:failed|aborted|cancell?ed|interrupted|killed|stopped|incomplete)\\b";
const ANYWHERE = [
  ...["ora-\\d{3,}", "sqlstate", "\\btime(?:d |-)?out\\b", "\\btruncated\\b", "\\bout of memory\\b"],
  ...["\\bmaximum execution time\\b", "\\b(?:lost|closed|broken|no) connection\\b"],
  "\\bconnection (?:was |is )?(?:lost|reset|closed|refused|aborted)\\b",
  `\\b(?:export|query|download|job|report|dump|process) ${ENDED}`,
  "\\b(?:abgebrochen|abgeschnitten|unvollständig)\\b",
];
const FAILURE = new RegExp(`^(?:<[^<>]{1,20}>|[^\\p{L}\\p{N}<])*${FIRST}|${ANYWHERE.join("|")}`, "iu");
/** A class of errors, as in `java.lang.OutOfMemoryError`. */
const ERROR_CLASS = /(?:^|[\s.:])[A-Z][A-Za-z]{2,40}(?:Error|Exception)(?![A-Za-z])/;

/** True for what programs write when they cannot write the rest. */
export const saysFailure = (text: string): boolean => FAILURE.test(text) || ERROR_CLASS.test(text);
