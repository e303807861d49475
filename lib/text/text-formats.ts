/** A record of SYLK, such as `C;Y1;X2;K"name"`, `P;PGeneral` and `F;W1 1 9`, and its end. */
const SYLK_RECORD = '(?:B;[XY]\\d|C;(?:[XY]\\d|K["\\d-])|F;[A-Z]+\\d|P;[PFE]|O;[A-Z])[^\\r\\n]*[\\r\\n]+';
const SYLK = new RegExp(`^ID;P[^;\\r\\n]*(?:;[NE])*[\\r\\n]+(?:(?:${SYLK_RECORD}){3}|(?:${SYLK_RECORD}){0,2}E\\s*$)`);

/**
 * Text of other programs whose lines look like delimited rows. Each is told by a beginning that no table has:
 * a header may well be `ID;PRICE` or `BEGIN`. Patterns take linear time.
 */
const FORMATS: readonly [beginning: RegExp, name: string][] = [
  [SYLK, "a SYLK spreadsheet"],
  [/^TABLE\r?\n0,1\r?\n"/, "a DIF spreadsheet"],
  [/^BEGIN:VCARD\s/i, "address cards (vCard)"],
  [/^BEGIN:VCALENDAR\s/i, "a calendar (iCalendar)"],
  [/^(?:UNA.{6}\s*)?UNB\+/, "an EDIFACT message"],
  [/^ISA([^\w\s])\d\d\1.{10}\1/, "an X12 message"],
  [/^(?:MSH|FHS|BHS)\|\^~\\&\|/, "an HL7 message"],
  [/^\{1:F\d\d[A-Z]/, "a SWIFT message"],
  [/^:20:[^\r\n]*\r?\n:2[158]:/, "a SWIFT message"],
  [/^!(?:Type|Account|Option):/, "a QIF file"],
  [/^!(?:TRNS|HDR|ACCNT|CUST|VEND|INVITEM)\t/, "an IIF file"],
  [/^OFXHEADER:\d/, "an OFX file"],
  [/^0 HEAD\r?\n1 /, "a GEDCOM file"],
  [/^(?:version: 1\s+)?dn: /, "an LDIF file"],
  [/^(?:%[^\r\n]*\r?\n|[ \t]*\r?\n)*@relation[ \t]/i, "an ARFF file"],
  [
    /^(?:-- (?:MySQL|MariaDB|PostgreSQL|SQLite)|(?:CREATE TABLE|INSERT INTO|DROP TABLE|BEGIN TRANSACTION;|PRAGMA foreign_keys)\b)/i,
    "an SQL script",
  ],
  [/^\{\\rtf\d/, "an RTF document"],
  [/^%!PS/, "a PostScript document"],
  [/^(?:From \S+@\S+ |(?:Received|Return-Path|Delivered-To|MIME-Version): )/, "an e-mail message"],
  [/^(?:diff --git |--- [^\r\n]*\r?\n\+\+\+ )/, "a patch"],
];

/** Names the format that a text without a byte-order mark begins like; undefined for other text. */
export const textFormatOf = (beginning: string): string | undefined => FORMATS.find(([is]) => is.test(beginning))?.[1];
