import { Parser } from "csv-parse";
import type { Dialect } from "../options.ts";

/**
 * Runs csv-parse over a block of whole rows, synchronously. Returns their fields as binary strings
 * (latin1), to be copied unchanged; undefined if a quote stays open.
 */
export function readBlock(
  block: Buffer,
  dialect: Pick<Dialect, "delimiter" | "quote" | "escape">,
): string[][] | undefined {
  const parser = new BlockParser(dialect);
  return parser.parse(block) ? parser.records : undefined;
}

class BlockParser extends Parser {
  readonly records: string[][] = [];

  constructor({ delimiter, quote, escape }: Pick<Dialect, "delimiter" | "quote" | "escape">) {
    super({
      encoding: "latin1",
      delimiter: Buffer.from(delimiter),
      quote: quote === null ? null : Buffer.from(quote),
      escape: Buffer.from(escape),
      record_delimiter: ["\r\n", "\n", "\r"],
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    });
  }

  override push(record: string[] | null): boolean {
    if (record !== null) this.records.push(record);
    return true;
  }

  /** False if a quote stays open. */
  parse(block: Buffer): boolean {
    let failure: (Error & { code?: string }) | null | undefined;
    const note = (error?: Error | null): void => void (failure ??= error);
    this._transform(block, "latin1", note);
    if (!failure) this._flush(note);
    if (failure && failure.code !== "CSV_QUOTE_NOT_CLOSED") throw failure;
    return !failure;
  }
}
