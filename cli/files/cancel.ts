import type { Command } from "commander";
import { EXIT } from "../output.ts";
import { action, durationOption } from "../session.ts";
import { fileText } from "../show.ts";
import { exitCodeOf, hasEnded, tellProblems, waitForEnd, type FileAnswer } from "../upload.ts";
import { FILE_ARGUMENT, findFileId } from "./find-file.ts";

/** `files cancel`. */
export function addCancel(files: Command): void {
  files
    .command("cancel")
    .description(
      "cancel a file that waits, is parsed or is loaded; it ends as failed, and its table keeps no row of it",
    )
    .argument("<id>", FILE_ARGUMENT)
    .option("--reason <text>", "why; it is recorded in the ledger and in the audit log")
    .addOption(durationOption("--timeout <duration>", "maximum wait for the file's end", "10m"))
    .addHelpText(
      "after",
      "\nOnce the commit of the file has begun it is too late: `tributary files undo` takes a committed file back.",
    )
    .action(
      action(async (session, id: string, { reason, timeout }: { reason?: string; timeout: number }) => {
        const { client, print } = session;
        const path = `/v1/files/${encodeURIComponent(await findFileId(client, id))}/cancel`;
        const body = JSON.stringify(reason === undefined ? {} : { reason });
        const sent = await client.send<FileAnswer>("POST", path, { body, contentType: "application/json" });
        const file = hasEnded(sent) ? sent : await waitForEnd(client, sent, timeout);
        print(file as FileAnswer & Record<string, unknown>, fileText);
        if (file.error?.code === "FILE_CANCELLED") return EXIT.ok;
        tellProblems(session, [file]);
        if (!hasEnded(file)) return exitCodeOf(session, [file]);
        session.tell(`file ${file.fileId} is ${file.status}: the cancel came too late`);
        return EXIT.no;
      }),
    );
}
