import { parseDocument } from "yaml";
import { contractSchema } from "../contract/contract.ts";
import { applyPatch } from "../proposals/patch.ts";
import { isWhole } from "../proposals/propose.ts";
import { tableNameOf } from "./names.ts";
import { previewFile } from "./preview.ts";

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
  const preview = await previewFile(body, { fileName, contract: checked.data });
  if (preview.error) return { text, notes: [], error: `${preview.error.code}: ${preview.error.message}` };
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
    ...(before === undefined && input.table === undefined
      ? [`the table is named after the file: ${table}; --table gives another name`]
      : []),
    ...(preview.complete ? [] : ["only the beginning of the file was read: later values may need other types"]),
  ];
  return { text: applyPatch(text, patch), notes };
}

/** What is worth to be written down; where the table begins in a file may differ from file to file. */
function dialectIn(found: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { delimiter, quote, encoding, header } = found;
  return {
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(quote === undefined || quote === '"' ? {} : { quote }),
    ...(encoding === undefined || encoding === "utf-8" ? {} : { encoding }),
    ...(header === false ? { header } : {}),
  };
}
