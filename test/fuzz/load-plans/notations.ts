/** Texts of values in every notation that the parser reads, and some that only other programs read. */
import type { ColumnType } from "../../../lib/columns.ts";

/** Notations that inference accepts, and those that only declared columns accept. */
export interface Kind {
  types: readonly ColumnType[];
  /** Values that nearly every column of the kind has. */
  plain: readonly string[];
  strict: readonly string[];
  lenient: readonly string[];
}

const words = (text: string): string[] => text.split("|");

const INTEGER: Kind = {
  plain: words("0|-1|42|100|7"),
  types: ["INTEGER", "BIGINT", "DECIMAL(12,2)", "DOUBLE", "VARCHAR"],
  strict: words("0|-0|1|-1|42|99|100|2147483647|-2147483648|1234567"),
  lenient: words("+5|007|-007|5.|5.0|+0|00|-00.000|3.00"),
};
const LONG: Kind = {
  plain: words("7|2147483648|1234567890123456789|"),
  types: ["BIGINT", "DECIMAL(38,0)", "DECIMAL(20,0)", "DOUBLE", "VARCHAR"],
  strict: words("0|7|2147483648|-2147483649|9223372036854775807|-9223372036854775808|9007199254740993"),
  lenient: words("+9223372036854775807|9223372036854775807.0|-9223372036854775808.00|0009223372036854775807"),
};
const DECIMAL: Kind = {
  plain: words("0.5|-12.50|7.25|99.99"),
  types: ["DECIMAL(10,2)", "DECIMAL(38,10)", "DECIMAL(18,3)", "DOUBLE", "VARCHAR"],
  strict: words("0.5|-0.5|1.10|12.50|-0.00|.5|-.25|99999999.99|0.001|1234.5678|0.0000000001|7|12.5000000000000"),
  lenient: words("+5|007.50|5.|+.5|00.10|+1.10000000"),
};
const WIDE: Kind = {
  plain: words("1.01|12345678901234567890|"),
  types: ["DECIMAL(38,0)", "DECIMAL(38,2)", "DECIMAL(38,19)", "DOUBLE"],
  strict: words(
    "99999999999999999999999999999999999999|-99999999999999999999999999999999999999|12345678901234567890|" +
      "123456789012345678.1234567890123456789|999999999999999999999999999999999999.99|1|0.01",
  ),
  lenient: words("+99999999999999999999999999999999999999|000000000000000000000000000000000000000000001"),
};
const DOUBLE: Kind = {
  plain: words("0.1|-7.25|1.5e3|NaN|"),
  types: ["DOUBLE"],
  strict: words(
    "1.5e3|1.5E3|1e-05|1E+11|NaN|Infinity|-Infinity|1.7976931348623157e308|-1.7976931348623157E+308|2.2250738585072014e-308|" +
      "4.9e-324|5e-324|0.1|-0.0|-0|0|0.30000000000000004|123456789.123456789|1.0e0|9007199254740993.0|0.1e-10|" +
      "179769313486231570000000000000000000000|70427937939000410|2.5|-7",
  ),
  lenient: words("1e5|1E5|+1.5|007|5.|+1e5|5.e3|00.5e1|1e005|-0e0"),
};
const BOOLEAN: Kind = {
  plain: words("true|false|TRUE"),
  types: ["BOOLEAN", "VARCHAR"],
  strict: words("true|false|TRUE|False|tRuE"),
  lenient: words("yes|no|Y|n|t|F|on|OFF|1|0|True"),
};
const DATE: Kind = {
  plain: words("2024-02-29|2024/01/31|1970-01-01"),
  types: ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR"],
  strict: words("2024-02-29|2024/01/31|1970-01-01|1969-12-31|0001-01-01|9999-12-31|1582-10-10|1900/03/01|2026-11-29"),
  lenient: words("2024-01-31 00:00|2024-01-31T00:00:00|2024/01/31 00:00:00.000|2024-02-29T00:00:00.000000000"),
};
const TIMES = words(
  "2024-01-31 10:00|2024-01-31T23:59:59|2024/01/31 00:00:00.5|1970-01-01T00:00:00.000001|0001-01-01 00:00:00|" +
    "9999-12-31 23:59:59.999999|2024-02-29T12:30:15.123456000|1969-12-31 23:59:59.9|2024-01-31T10:00:01.1234560",
);
const TIMESTAMP: Kind = {
  plain: words("2024-01-31 10:00|2024-01-31T23:59:59.123|"),
  types: ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR"],
  strict: TIMES,
  lenient: words("2024-01-31|2024/01/31|0001-01-01|9999-12-31"),
};
const OFFSETS = [
  "z",
  ...words(
    "Z| Z|UTC| UTC| z|+00|-00|+02|+0200|+02:00| +02| +0200| +02:00|-00:30|-0030|-01:30|-11:59|+14|+15:59|+16|+18:59|-18:30",
  ),
];
const ZONED: Kind = {
  plain: words("2024-01-31T10:00:00Z|2024-07-01 10:00+02:00|"),
  types: ["TIMESTAMP WITH TIME ZONE", "VARCHAR"],
  strict: [
    ...TIMES.flatMap((time) => words("Z|+00:00").map((offset) => time + offset)),
    ...OFFSETS.flatMap((offset) =>
      words("2024-01-31 10:00|2024-01-31T10:00:00|2024/07/01 23:59:59.123456").map((time) => time + offset),
    ),
    ...words(
      "0001-01-01T05:00:00+05:00|9999-12-31T18:59:59-05:00|0001-01-01T00:00:00-18|9999-12-31 23:59:59.999999+18:59",
    ),
  ],
  lenient: TIMES,
};
const TEXT: Kind = {
  plain: words("Rome|New York|é|it's|漢字|"),
  types: ["VARCHAR"],
  strict: [
    ...words(
      'Rome|New York|é|漢字|🙂|it\'s|a "b" c|""|"|,|;|a,b|a;b|\\|\\"|\\N|NULL|null|NA|-| | x |\tx|x\t|  |#1|=1+1|007|1e5',
    ),
    ...[
      "a\nb",
      "a\r\nb",
      "a\rb",
      "\n",
      "1,2,3\n4,5,6",
      "\ufeffx",
      "x\ufeff",
      "\u00a0",
      "\u2028",
      "\u0001",
      "\u001a",
      "\u007f",
      "x".repeat(300),
    ],
  ],
  lenient: ["z".repeat(5_000)],
};
export const KINDS = [INTEGER, LONG, DECIMAL, WIDE, DOUBLE, BOOLEAN, DATE, TIMESTAMP, ZONED, TEXT] as const;
export const EVERYTHING = KINDS.flatMap(({ strict, lenient }) => [...strict, ...lenient]);
/** Texts that are values of no type but text, or that only other programs read as one. */
export const FOREIGN = words(
  "x|1e400|1_000|0x1F|1,000|12:00|2023-02-29|0000-01-01|10000-01-01|nan|inf|-inf|infinity|Inf|+Infinity|today|epoch|" +
    "2024-1-5|20240131|2024-01-31 24:00|2024-01-31 10|2024-01-31 10:00:60|2024-01-31T10:00:00.1234567|2024-01-31 10:00 Europe/Rome|" +
    "1.5.|--1|1 2|٣|1e|e1|0b1|tru|1/2|99999999999999999999999999999999999999999|1e2|1.00000000000000000001|2147483648.5|" +
    "2024-01-31 BC|2024-01-31 (BC)|-2024-01-31|2024-01-31Z|2024-01-31+02|24-01-31",
);
