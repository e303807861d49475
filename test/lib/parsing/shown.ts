import { contractSchema } from "../../../lib/contract/contract.ts";
import { previewFile, type Preview } from "../../../lib/parsing/preview.ts";

/** The preview of a text as a file of a table without a contract. */
export async function preview(text: string): Promise<Preview> {
  const contract = contractSchema.parse({ table: "t" });
  async function* source() {
    yield Buffer.from(text);
  }
  return previewFile(source(), { fileName: "f.csv", contract, rowsMax: 1_000, rejectsMax: 0 });
}

/** Names and rows as `id|name / 1|Ann / 2|Bob`; no names: those of columns are numbers. */
export function shown({ columns, untyped, rows, dialect }: Preview): string {
  const names = dialect?.["header"] === false ? [] : [...columns, ...untyped].map(({ header }) => header);
  return [names, ...rows].map((cells) => cells.map((cell) => cell ?? "").join("|")).join(" / ");
}
