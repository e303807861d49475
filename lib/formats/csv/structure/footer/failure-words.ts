/** Words of failures that end an export, and of the notes and reports that have such words without one. */

/** Anything but letters and digits, and tags such as <b>, in front of a line's first word. */
const LEAD = "(?:<[^<>]{1,20}>|[^\\p{L}\\p{N}<]|<(?=[<\\s]))*";
const [START, END] = ["(?<![\\p{L}\\p{N}])", "(?![\\p{L}\\p{N}])"];

const anywhere = (...parts: readonly string[]): RegExp => new RegExp(`${START}(?:${parts.join("|")})${END}`, "iu");
const atStart = (...parts: readonly string[]): RegExp => new RegExp(`^${LEAD}(?:${parts.join("|")})`, "iu");
/** Something that fails, and what became of it a few words later. */
const ended = (things: string, ends: string): string =>
  `(?:${things})(?:[\\s,]+[^\\s,;]{1,20}){0,4}?[\\s,]+(?:${ends})`;

const ERROR_NAMES =
  "errors?|warnings?|warnungen|errores|exceptions?|failures?|fehlern?|erreurs?|errori|errore|erros?|fout(?:en)?|fel|błąd|" +
  "błęd\\p{L}+|ошиб\\p{L}+";

/** `Errors: 0`, `no errors`: nothing went wrong. */
export const NO_ERRORS = new RegExp(
  `${START}(?:(?:${ERROR_NAMES}|failed|rejected|fehlgeschlagen)\\s*[:=]?\\s*` +
    "(?:0+|none|no|nil|null|n/a|keine?|aucune?|ningun[oa]|nessun[oa]?|nenhum[a]?|geen|brak|[-–—])(?=\\s*(?:$|" +
    "[;,.|)]))|" +
    "(?:0+|no|zero|without(?: any)?|keine?|ohne|aucune?|sans|sin|ningún|nessun|senza|sem|nenhum|geen|zonder|" +
    "brak|bez)\\s+" +
    `(?:${ERROR_NAMES}|failed))${END}`,
  "giu",
);

/** Errors of measurements: `Error: standard error of the mean`, `Fehler: ± 2 %`. */
export const STATISTICAL = atStart(
  `(?:${ERROR_NAMES})\\s*[:=(]\\s*\\(?(?:[±∓]|\\+\\s*/?\\s*[-−]|\\d+(?:[.,]\\d+)?\\s*(?:%|σ|sigma)|(?:in |` +
    `as )?(?:%|percent|prozent)|` +
    "(?:\\p{L}+ )?(?:standard|std|mean|root|rms\\p{L}*|confidence|sampling|margins?|relative|absolute|" +
    "statistical|measurement|" +
    "s\\.?[ed]\\.?m?|estimated|one|two|mittlerer|relativer|absoluter|statistischer|typique|estándar|" +
    "padrão)(?![\\p{L}\\p{N}]))",
);

export const TRUNCATED_DIGITS = /truncated to (?:\S+ ){0,2}(?:decimals?|digits?|places?|numbers?|integers?)/iu;

/** The label of a note. */
export const NOTE = atStart(
  "(?:notes?|nota|remarks?|comments?|footnotes?|hinweise?|anmerkung(?:en)?|bemerkung(?:en)?|remarques?|n\\.?b|" +
    "sources?|quellen?|fuentes?|fontes?|bron|źródło|units?|einheit(?:en)?|legende?|definitions?|method\\p{L}*)" +
    "\\s*[:.–-]",
);

/** What is said of the data, and not of the file: the words tell no failure. */
export const REMARK = anywhere(
  "exclud\\p{L}+|includ\\p{L}+|denotes?|indicates?|refers? to|defined|means|enthalten|ausgeschlossen|bezeichne[nt]",
  "(?:numbers?|values?|figures?|digits?|decimals?|names?|titles?|texts?|labels?|amounts?|percentages)\\s" +
    "(?:\\S+\\s){0,3}truncated",
  TRUNCATED_DIGITS.source,
);

const ROWS =
  "(?:rows?|records?|lines?|results?|entries|items|zeilen|datensätze|einträge|lignes|filas|righe|linhas|rijen|" +
  "wierszy)";
const AMOUNT = "[\\d.,' \\u00a0]*\\d";

/** The export itself is not whole, also if a note says so. */
const PARTIAL = [
  anywhere(
    `only (?:the )?(?:first|top|last) ${AMOUNT} ${ROWS}`,
    `(?:limited|restricted|capped|truncated|cut off|gekürzt|begrenzt|limité\\p{L}*|limitad\\p{L}+) (?:to|at|auf|` +
      `à|a) (?:the first )?${AMOUNT} ${ROWS}`,
    `${AMOUNT} of ${AMOUNT} ${ROWS} (?:shown|displayed|exported|written|fetched)`,
    "(?:limite?|límite) d[ei] (?:lignes|filas|righe|linhas) (?:\\S+ )?(?:atteinte?|alcanzado|raggiunto|atingido)",
    "rijlimiet bereikt|osiągnięto limit",
    "truncated at (?:row|line|record)",
    `nur die ersten ${AMOUNT} ${ROWS}`,
    `(?:seules|uniquement) les ${AMOUNT} premi\\p{L}+ ${ROWS}`,
    `(?:sol[oa]|só|apenas) (?:las|le|as|os|los) prim\\p{L}+ ${AMOUNT} ${ROWS}`,
    `alleen de eerste ${AMOUNT} ${ROWS}`,
    `${AMOUNT} (?:more|weitere|autres|más|altre|mais|meer) ${ROWS}`,
    "(?:max(?:imum|imal[e]?|\\.)? |row |record |line |output |result |export |download |size |time |memory |" +
      "rate |quota |data )+" +
      "(?:limit|number|count|size|quota)?(?: of \\S+)? ?(?:was |is |has been )?(?:reached|exceeded|hit)",
    "(?:exceed(?:ed|s)|reached) (?:the |its |your )?(?:max\\p{L}* |allowed |available )?(?:\\p{L}+ )?(?:limit|" +
      "quota|memory|maximum)",
    "(?:zeilen|größen|speicher|zeit)?(?:limit|grenze|anzahl|höchstzahl) (?:\\S+ ){0,3}(?:erreicht|überschritten)",
    ended(
      `(?:the |this )?(?:output|results?|result set|rows|file|list|export|extract|report|query|dump|data ?set)`,
      "(?:was|were|is|are|has been|have been|may be) (?:truncated|incomplete|cut off|limited|partial)",
    ).replace("{0,4}?", "{0,2}?"),
  ),
  atStart(
    `(?:and |und |et |y )?more ${ROWS}\\b`,
    `(?:and|und|et|y) ${AMOUNT} (?:more|weitere|autres|más)\\W*$`,
    `weitere ${ROWS}`,
    "(?:output |results? |rows |file |list |export |warning: )*truncated\\W*$",
    "incomplete\\W*$",
    "unvollständig\\W*$",
    "(?:incomplete|partial|truncated|failed|aborted|interrupted|unvollständige[rs]?|abgebrochene[rs]?) " +
      "(?:export|extract|results?|output|file|query|download|dump|ergebnis|abfrage|datei|bericht)",
    "warning:.{0,80}(?:truncated|incomplete|limit)",
  ),
];

const CODES = [
  anywhere(
    ...["(?:ora|tns|pls|imp|exp|kup|rman|sp2)-\\d{3,5}", "sqlstate", "sqlcode\\s*[:=]?\\s*-?\\d+", "sql\\d{4,5}[nwc]"],
    ...[
      "msg \\d+, level \\d+",
      "db2\\d{4,5}e",
      "er_[a-z]+_[a-z_]+",
      "err(?:or )?(?:no|code|nr)\\.?\\s*[:=]?\\s*-?\\d+",
    ],
    ...["time_out", "[a-z_]{2,30}_(?:failure|failed)", "core dumped", "snapshot too old", "\\w+\\(\\) expects"],
    "[45]\\d\\d (?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|" +
      "too many requests|forbidden|unauthorized|request time-?out|bad request|not found)",
    "undefined (?:index|variable|offset|array key|property|method|function)",
    "on line (?:<b>)?\\d+",
  ),
  atStart("http(?:/\\d(?:\\.\\d)?)?(?: error| status| code)*\\s*:?\\s*[45]\\d\\d(?!\\d)", "err(?:\\s*:\\s*\\d+)?\\W*$"),
  // An object with an error in it, as web services answer.
  /^\s*[{[]\s*.{0,200}?"(?:errors?|error_?code|error_?message|exception|fault)"\s*:\s*(?!null|false|\[\s*\]|\{\s*\}|""|0\s*[,}])/iu,
];

/** Words for a failure, if they begin a line. Other words may follow: `Error bars show the deviation`. */
const FIRST = [
  atStart(
    "(?:(?:php|fatal|sql|internal|server|query|unexpected|unhandled|parse|runtime|uncaught|system|database|" +
      "network|i/?o|" +
      "ssl|syscall|db2|an|the)\\s+)*" +
      "(?:error|errors|exception|failure|failed|fatal|traceback|fehler|abbruch|erreur|errore|erro|ошибка)" +
      "(?:\\s*[:!([\\]})#*<-]|\\s+\\d|\\s*$|" +
      "\\s+(?:in|at|on|while|when|during|code|no|occurred|bei|beim|lors|al|en|ao|na|de|del|do|da|di|durante|nell\\p{L}*|" +
      "dell\\p{L}*)" +
      "(?![\\p{L}\\p{N}]))",
    "(?:fout|fel|fejl|feil|virhe|błąd|chyba|hiba|eroare|hata|помилка|σφάλμα)\\s*[:!]",
    "an? (?:\\S+ )?error (?:has |was )?(?:occurred|encountered)|(?:\\p{L}+\\W+)?something went wrong|got error \\d+",
    "(?:(?:interner|unerwarteter|unbekannter|schwerer|allgemeiner) )?(?!(?:standard|rundungs|mess|schätz|stichproben)fehler)" +
      "\\p{L}*fehler(?:\\s*[:!]|\\s+\\d|\\W*$)",
    "(?:エラー|错误|錯誤|오류|失敗|失败)",
    "(?:panic|goroutine \\d|thread (?:\\S+ )?panicked|abend|segmentation fault|bus error|assertion failed|unhandled|" +
      "abnormal(?:ly)? (?:end|terminat))",
    "(?:aborted|aborting|killed|terminated|cancell?ed|interrupted|abgebrochen|time-?out|timed out|" +
      "zeitüberschreitung)" +
      "(?:\\W*\\d*\\W*$|\\s+(?:by|due|after|while|durch|bei|nach|of)(?![\\p{L}]))",
  ),
];

const ENDED =
  "failed|aborted|cancell?ed|interrupted|killed|stopped|terminated|incomplete|timed out|timeout|rolled back|" +
  "deadlocked";
const ENGLISH = [
  anywhere(
    ended(
      "export|exporting|query|statement|request|download|job|report|dump|process|operation|transaction|" +
        "execution|extract|" +
        "extraction|script|transfer|fetch|command|batch|read|connect",
      `(?:(?:was|is|has been|has|been|got) )?(?:${ENDED})`,
    ).replace("{0,4}?", "{0,1}?"),
    "(?:lost|closed|broken|dropped|closing|reset) (?:the |its |your )?connection",
    "no connection (?:to (?:the )?(?:server|database|host|db)|available)",
    "(?:connection|session|socket|login|token|link|stream)(?: \\S+){0,3} (?:lost|reset|refused|aborted|dropped|" +
      "broken|expired|failed|timed out|terminated|interrupted)",
    "(?:connection|socket|stream)(?: \\S+){0,2} closed",
    "out of (?:memory|disk space|space)|insufficient (?:memory|privileges|permissions?|space)|not enough (?:memory|space|disk)",
    "maximum execution time|bytes exhausted|resources? exhausted|stack overflow",
    "timeout (?:expired|reached|exceeded)|truncated after|incomplete due to|gone away|logged out|terminating connection",
    "(?:session|execution|login|read|write|request|response|query|connect(?:ion)?|lock(?: wait)?|gateway|statement|server|socket) time-?out",
    "canceling statement|unexpected (?:eof|end of (?:file|input|stream|data))|eof detected|end-of-file on",
    "please (?:log|sign) ?in|log ?in again|try again later",
  ),
  atStart(
    "(?:permission|access|authori[sz]ation) (?:was |is )?denied|(?:unauthori[sz]ed|forbidden)\\W*$|not authori[sz]ed",
    "(?:log ?in|authentication) (?:is )?required|invalid session|not logged in",
    "too many (?:requests|connections|rows)|quota exceeded",
    "(?:service|server|database) (?:is )?(?:temporarily )?(?:unavailable|down|not available)",
    "(?:disk|device|tablespace|file ?system|table) (?:is |was )?full\\W*$|no space left|broken pipe|deadlock",
    "(?:network|i/o|disk|memory|internal|protocol|syntax|conversion|internal server) error",
    "(?:could not|couldn't|unable to|failed to|cannot|can not|can't) (?:receive|read|write|open|connect|fetch|" +
      "load|save|" +
      "send|export|execute|complete|continue|allocate|get|access|retrieve|create|finish|process|extend|obtain|" +
      "acquire|" +
      "serialize|establish|start|download|generate|query|return|find)",
    "(?:warning|notice|deprecated)\\s*(?:</b>)?:.{0,200}(?:\\w\\(|on line|\\.php)",
    "bad gateway|gateway time-?out|internal server error|not connected",
  ),
];

const GERMAN = [
  anywhere(
    ended(
      "\\p{L}*export(?:s|e)?|\\p{L}*abfrage|\\p{L}*verbindung|sitzung|übertragung|download|verarbeitung|vorgang|" +
        "job|prozess|" +
        "auftrag|anfrage|ausgabe|datei|bericht|report|transaktion|programm\\p{L}*|lauf|anmeldung|ausführung|" +
        "auswertung|" +
        "abruf|ergebnis\\p{L}*|liste|erstellung",
      "fehlgeschlagen|abgebrochen|unterbrochen|verloren|getrennt|abgelaufen|gescheitert|unvollständig|" +
        "abgeschnitten|" +
        "verweigert|gekürzt|nicht (?:erreichbar|verfügbar|möglich|abgeschlossen|vollständig|erfolgreich)",
    ),
    "zeitüberschreitung|nicht genügend (?:\\p{L}*speicher|speicherplatz)|zu wenig \\p{L}*speicher",
    "(?:zugriff|berechtigung) (?:wurde )?verweigert|keine (?:zugriffs)?berechtigung|bitte (?:neu |" +
      "erneut )?anmelden|melden sie sich",
    "(?:platte|datenträger|speicher) (?:ist )?voll",
    "konnten? (?:\\S+ ){0,2}nicht (?:\\S+ ){0,4}(?:exportiert|gelesen|geschrieben|geladen|abgerufen|gespeichert|" +
      "geöffnet|hergestellt|übertragen|abgeschlossen|verarbeitet)",
    "(?:fehler|abbruch) (?:durch|bei|beim|im|in|des|der)",
  ),
];

const ROMANCE = [
  atStart("(?:échec|falha|fallo|fallimento|interruption|interrupción|interrupção|interruzione)(?:\\s*[:!]|\\s+\\p{L})"),
  anywhere(
    ended(
      "(?:l['’])?export(?:ation|ación|ação)?|esportazione|requête|consulta|interrogazione|query|connexion|" +
        "conexi[oó]n|" +
        "connessione|conexão|ligação|session|sesi[oó]n|sessione|sessão|téléchargement|descarga|download|traitement|" +
        "proceso|processo|opération|operaci[oó]n|operazione|operação|transfert|transferencia|trasferimento|" +
        "transferência|transaction|transacci[oó]n|transazione|transação|serveur|servidor|tâche|tarea|extraction|" +
        "extracción",
      "échoué\\p{L}*|interromp\\p{L}+|interrott\\p{L}|interrump\\p{L}+|annul\\p{L}+|cancel\\p{L}+|abort\\p{L}+|" +
        "abandonn\\p{L}+|" +
        "perdue?|perdid[oa]|pers[ao]|expir\\p{L}+|caducad[oa]|scadut[oa]|incompl[eè]t\\p{L}*|tronqu\\p{L}+|" +
        "truncad[oa]|" +
        "troncat[oa]|refus\\p{L}+|rechazad[oa]|rifiutat[oa]|recusad[oa]|fall(?:ó|ado|ido|ida|ito|ita)|falhou|" +
        "falhad[oa]|" +
        "non riuscit[oa]|indisponible|no disponible|indisponível|cerrad[oa]|encerrad[oa]|fermée?|chius[oa]",
    ),
    "délai (?:\\S+ ){0,2}(?:dépassé|expiré)|tiempo (?:\\S+ ){0,2}(?:agotado|excedido)|" +
      "tempo (?:\\S+ ){0,2}(?:esgotado|excedido|scaduto)",
    "mémoire insuffisante|memoria (?:insuficiente|insufficiente|esaurita|agotada)|memória insuficiente",
    "(?:accès refusé|acceso denegado|permiso denegado|accesso negato|permesso negato|acesso negado|permissão negada)",
    "(?:erreur|error|errore|erro) (?:lors|pendant|durante|al|ao|na|en la|nell\\p{L}*|interne|interno)",
    "(?:impossible d['’e] ?\\p{L}*|no se pud[oi]\\p{L}*|impossibile|não foi possível) (?:\\p{L}+ )?(?:lire|" +
      "écrire|exporter|" +
      "charger|terminer|accéder|leer|escribir|exportar|cargar|completar|conectar|leggere|scrivere|esportare|" +
      "caricare|" +
      "completare|ler|escrever|carregar|concluir|ligar)",
    "se perdió la conexión|disque plein|disco (?:lleno|pieno|cheio)",
  ),
];

const OTHERS = [
  anywhere(
    ended(
      "export|query|verbinding|sessie|download|proces|bewerking|overdracht|transactie|taak|opdracht|aanvraag",
      "mislukt|afgebroken|onderbroken|verbroken|verlopen|geannuleerd|onvolledig|afgekapt|geweigerd|verloren|gestopt",
    ),
    "onvoldoende geheugen|toegang geweigerd|schijf vol|fout (?:bij|tijdens|opgetreden)",
    ended(
      "eksport|zapytanie|połączenie|sesja|pobieranie|proces|operacja|transfer|transakcja|zadanie",
      "nie powi\\p{L}+|nieudan\\p{L}|przerwan\\p{L}|anulowan\\p{L}|utracon\\p{L}|wygasł\\p{L}?|niekompletn\\p{L}|" +
        "obcięt\\p{L}|odrzucon\\p{L}|zerwan\\p{L}|niepowodzeniem",
    ),
    "utracono połączenie|brak pamięci|odmowa dostępu|brak dostępu|nie udało się|przekroczono (?:limit|czas)|" +
      "dysk pełny|" +
      "błąd (?:podczas|serwera|połączenia|bazy|systemu|krytyczny|wewnętrzny|zapisu|odczytu|sieci|eksportu)",
  ),
];

/** Hold also in a note: they speak of the file. */
export const CERTAIN: readonly RegExp[] = [...PARTIAL, ...CODES];
export const FAILURES: readonly RegExp[] = [...FIRST, ...ENGLISH, ...GERMAN, ...ROMANCE, ...OTHERS];
/** A class of errors, as in `java.lang.OutOfMemoryError`; statistics have such names, too. */
export const ERROR_CLASS =
  /(?:^|[\s.:])(?!\p{L}*(?:Square[ds]?|Standard|Mean|Absolute|Percentage|Std|Sampling|Relative|Measurement|Prediction|Rounding)Errors?\b)[A-Z][A-Za-z]{1,40}(?:Error|Exception)(?![A-Za-z])/u;
