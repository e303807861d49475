import { parseDocument } from "yaml";
import { contractSchema, type Contract } from "../contract/contract.ts";
import { applyPatch } from "../proposals/patch.ts";
import { isWhole } from "../proposals/propose.ts";
import { tableNameOf } from "./names.ts";
import { previewFile, type Preview } from "./preview.ts";

export interface SuggestInput {
  fileName: string;
  table: string | undefined;
  /** The text of a contract that counts already. */
  before: string | undefined;
}

export interface Suggestion {
  /** The whole contract file. */
  text: string;
  /** What the owner should look at, one sentence each. */
  notes: string[];
  /** Why no contract can be suggested. */
  error?: string;
}

const SCHEMA_LINE = "# yaml-language-server: $schema=contract.schema.json\n";

/**
 * A contract for a table of files like this one, from the file's beginning. What the contract before says
 * stays. Doubtful readings are notes, never part of the contract.
 */
export async function suggestContract(body: AsyncIterable<Uint8Array>, input: SuggestInput): Promise<Suggestion> {
  const { fileName, before } = input;
  const table = input.table ?? tableNameOf(fileName.replace(/\..*$/, ""));
  const text = before ?? `${SCHEMA_LINE}table: ${table}\n`;
  const given: unknown = parseDocument(text).toJS();
  const checked = contractSchema.safeParse(given);
  if (!checked.success) {
    const faults = checked.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    return { text, notes: faults, error: "the contract has faults: correct it first" };
  }
  const read: Uint8Array[] = [];
  const preview = await previewFile(kept(body, read), { fileName, contract: checked.data });
  if (preview.error) return { text, notes: [], error: `${preview.error.code}: ${preview.error.message}` };
  const misread = await delimiterFault(preview, read, { fileName, contract: checked.data });
  if (misread !== undefined) return { text, notes: [], error: misread };
  const certain = new Map((preview.patch?.contract.columns ?? []).map((column) => [column.name, column]));
  const open = new Set(
    preview.proposals.filter(({ alternatives }) => alternatives.length > 0).flatMap((one) => one.columns),
  );
  const withPatch = new Map(preview.patch?.columns.map(({ name, type }) => [name, type]));
  const columns = preview.columns.flatMap(({ name, type: plainType, header }) => {
    const type = withPatch.get(name) ?? plainType;
    // A type that is written down would decide what its owner must choose.
    if (open.has(name) && type !== "VARCHAR") return [];
    const own = certain.get(name);
    return [{ name, type, ...(header === name ? {} : { header }), ...own }];
  });
  const { nullMarkers } = preview.patch?.contract ?? {};
  const patch = { dialect: dialectIn(preview.dialect ?? {}), ...(nullMarkers ? { nullMarkers } : {}), columns };
  const notes = [
    ...(preview.doubts ?? []).map(({ reason, evidence }) => `a file like this is held, ${reason}: ${evidence}`),
    ...preview.proposals.map((proposal) => `${isWhole(proposal) ? "suggested" : "your choice"}: ${proposal.text}`),
    ...placeNotes(preview.dialect ?? {}, checked.data),
    ...(before === undefined && input.table === undefined
      ? [`the table is named after the file: ${table}; --table gives another name`]
      : []),
    ...(preview.complete ? [] : ["only the beginning of the file was read: later values may need other types"]),
  ];
  return { text: applyPatch(text, patch), notes };
}

async function* kept(body: AsyncIterable<Uint8Array>, read: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    read.push(chunk);
    yield chunk;
  }
}

/** Says that the delimiter of the contract leaves several names in one, which another one separates. */
async function delimiterFault(
  { columns }: Preview,
  read: readonly Uint8Array[],
  { fileName, contract }: { fileName: string; contract: Contract },
): Promise<string | undefined> {
  const { delimiter, ...dialect } = contract.dialect;
  if (delimiter === undefined) return undefined;
  const other = await previewFile(chunksOf(read), { fileName, contract: { ...contract, dialect } });
  const found = other.dialect?.["delimiter"];
  if (other.error || other.doubts || other.columns.length < 2 || typeof found !== "string") return undefined;
  if (found === delimiter || !columns.some(({ header }) => header.includes(found))) return undefined;
  return (
    `the contract's delimiter ${JSON.stringify(delimiter)} does not split the file: with ${JSON.stringify(found)} it ` +
    `has ${other.columns.length} columns. Correct dialect.delimiter, or leave it out`
  );
}

async function* chunksOf(read: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* read;
}

type Found = Readonly<Record<string, unknown>>;

/**
 * What is worth to be written down. A footer is not: of a file that lacks it, its rows would be left out
 * without a trace.
 */
function dialectIn(found: Found): Record<string, unknown> {
  const { delimiter, quote, encoding, header, headerRows, skipRows } = found;
  return {
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(quote === undefined || quote === '"' ? {} : { quote }),
    ...(encoding === undefined || encoding === "utf-8" ? {} : { encoding }),
    ...(header === false ? { header } : typeof headerRows === "number" && headerRows > 1 ? { header: headerRows } : {}),
    ...(typeof skipRows === "number" && skipRows > 0 ? { skipRows } : {}),
  };
}

/** What was found above and below the table, if the contract does not say it. */
function placeNotes({ skipRows, headerRows, footerRows }: Found, { dialect }: Contract): string[] {
  const rows = (count: unknown): number => (typeof count === "number" ? count : 0);
  const notes: string[] = [];
  if (rows(skipRows) > 0 && dialect.skipRows === undefined) {
    notes.push(
      `suggested: the lines above the table (${rows(skipRows)}) are left out; delete dialect.skipRows if their number ` +
        "differs from file to file",
    );
  }
  if (rows(headerRows) > 1 && dialect.header === undefined) {
    notes.push(`suggested: the names stand in ${rows(headerRows)} rows (dialect.header)`);
  }
  if (rows(footerRows) > 0 && dialect.footer === undefined) {
    notes.push(
      `your choice: the last lines (${rows(footerRows)}) are below the table and left out; if every file has them, ` +
        "declare dialect.footer",
    );
  }
  return notes;
}
