/** Words with which rows begin that are no data, in the languages of most files. */

const TOTALS =
  "(?:grand |sub)?(?:total|totals|totale|totaal|sum|summe|summa|gesamt|gesamtsumme|gesamtbetrag|gesamtergebnis|" +
  "endsumme|endbetrag|insgesamt|suma|soma|razem|i alt|yhteensä|összesen|celkem|toplam|итого|всего|合計|合计|总计)";

export const TOTAL = new RegExp(`^${TOTALS}(?![\\p{L}\\p{N}])`, "iu");

/** A label of totals and nothing else: `Total Energies` may be a name. */
export const TOTAL_ALONE = new RegExp(`^${TOTALS}(?: g[eé]n[eé]ral[e]?| geral| amount| sum)?[\\s:=.]*$`, "iu");

/** A total's label with what it is the total of: `Total: Campaigns`. */
export const TOTAL_OF = new RegExp(`^${TOTALS}\\s*[:=]`, "iu");

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
