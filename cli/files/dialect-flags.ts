import type { Command } from "commander";
import { DELIMITER_NAMES, FORMAT_NAMES } from "../../lib/formats/names.ts";

/** How a file is written, as options of a command. */
export interface DialectFlags {
  format?: string;
  delimiter?: string;
  encoding?: string;
  quote?: string;
  escape?: string;
  /** False: --no-header. */
  header?: string | false;
  skip?: string;
  footer?: string;
  comment?: string;
  rowNames?: true;
  trailingDelimiter?: true;
  leadingDelimiter?: true;
  dropBlankNames?: true;
  trimBlanks?: true;
}

export const withDialect = (command: Command): Command =>
  command
    .option("--format <name>", `${FORMAT_NAMES.join(" or ")} (default: detected)`)
    .option(
      "--delimiter <text>",
      `1 to 16 characters (\\t and \\x01 stand for one), or ${[...DELIMITER_NAMES.keys()].join(", ")} (default: detected)`,
    )
    .option(
      "--encoding <name>",
      "e.g. utf-8, windows-1252, shift_jis; any label of the WHATWG standard (default: detected)",
    )
    .option("--quote <character>", "the quote character, or none (default: detected)")
    .option("--escape <character>", "the escape character inside quotes (default: detected)")
    .option("--header <rows>", "auto, none, or the number of header rows, whose names are joined (default: auto)")
    .option("--no-header", "the same as --header none")
    .option("--skip <lines>", "auto, or the number of lines before the header (default: auto)")
    .option("--footer <rows>", "number of rows at the end that are no data, or a regular expression for the first")
    .option("--comment <text>", "lines that start with this text are no rows")
    .option("--row-names", "the header lacks a name for the first field, as R writes it")
    .option("--trailing-delimiter", "a delimiter at the end of a line starts no further field")
    .option("--leading-delimiter", "a delimiter at the start of a line begins its first field")
    .option("--drop-blank-names", "blank cells of the header stand above no field")
    .option("--trim-blanks", "spaces and tabs around fields and around quotes are no part of them");

/** The flags as query parameters of the gateway. */
export function dialectParameters(flags: DialectFlags): Record<string, string> {
  const { format, delimiter, encoding, quote, escape, header, skip, footer, comment } = flags;
  const { rowNames, trailingDelimiter, leadingDelimiter, dropBlankNames, trimBlanks } = flags;
  const given = {
    ...{ format, delimiter, encoding, quote, escape },
    header: header === false ? "none" : header,
    ...{ skipRows: skip, footer, comment, rowNames, trailingDelimiter, leadingDelimiter, dropBlankNames, trimBlanks },
  };
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}
