/**
 * The names of formats and delimiters, for command lines, URLs and contracts. They are apart from the
 * formats, because the command line lists them at each start and loads no format.
 */

/** Every format that files may have; lib/formats/registry.ts has the formats themselves. */
export const FORMAT_NAMES = ["csv"] as const;

export type FormatName = (typeof FORMAT_NAMES)[number];

/** Names that stand for a delimiter. */
export const DELIMITER_NAMES: ReadonlyMap<string, string> = new Map([
  ["comma", ","],
  ["semicolon", ";"],
  ["tab", "\t"],
  ["pipe", "|"],
  ["space", " "],
]);
