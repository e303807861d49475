import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { Contract } from "../contract/contract.ts";
import type { RowOrigin } from "../rows/encode.ts";
import type { ParseLimits } from "./limits.ts";
import type { OpenedFile } from "./open-file.ts";

/** Everything about one file that decides the result of parsing it. */
export interface FileParserOptions {
  file: Pick<OpenedFile, "format" | "options" | "firstLine" | "endSeen">;
  /** False: the text that is pushed is only the beginning of the file. Default true. */
  readsToEnd?: boolean;
  contract: Contract;
  /** The table's columns so far. */
  known: readonly ColumnDefinition[];
  /** Types of new columns, and names of fields, that an earlier reading of the whole file found. */
  inferred?: ReadonlyMap<string, ColumnType>;
  fields?: readonly string[];
  observe?: boolean;
  origin: RowOrigin;
  limits: ParseLimits;
  /** Size of the file as it is stored; undefined: unknown. */
  storedBytes?: number | undefined;
  /** Plan how the rows load, if the file is regular, instead of encoding them. */
  plans?: boolean | undefined;
}
