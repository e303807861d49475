import type { Command } from "commander";
import { sizeText, tableText } from "../output.ts";
import { action } from "../session.ts";

interface UploadsAnswer {
  uploads: {
    table: string;
    sourceFile: string;
    origin: string;
    startedAt: string;
    bytesDone: number;
    bytesTotal: number | null;
  }[];
}

/** `tributary uploads`: the files whose bytes are arriving. */
export function addUploads(program: Command): void {
  program
    .command("uploads")
    .description("list the files that are arriving now, uploads and dropped objects, and how far they are")
    .action(
      action(async ({ client, print }) => {
        print(await client.send<UploadsAnswer>("GET", "/v1/uploads"), uploadsText);
      }),
    );
}

export function uploadsText({ uploads }: UploadsAnswer): string {
  if (uploads.length === 0) return "no file is arriving";
  const rows = uploads.map(({ table, sourceFile, origin, startedAt, bytesDone, bytesTotal }) => [
    ...[table, sourceFile, origin, sizeText(bytesDone)],
    ...(bytesTotal === null ? ["", ""] : [sizeText(bytesTotal), `${percentOf(bytesDone, bytesTotal)} %`]),
    startedAt,
  ]);
  return tableText(["table", "file", "by", "arrived", "of", "", "since"], rows);
}

const percentOf = (done: number, total: number): number => (total === 0 ? 100 : Math.floor((100 * done) / total));
