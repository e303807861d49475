import type { Command } from "commander";
import { EXIT } from "../output.ts";
import { action, durationOption } from "../session.ts";
import * as show from "../show.ts";
import { dialectParameters, withDialect, type DialectFlags } from "./dialect-flags.ts";
import { FILE_ARGUMENT, findFileId } from "./find-file.ts";
import { exitCodeOf, tellProblems, waitForEnd, type FileAnswer } from "../upload.ts";

interface Decision {
  reason?: string;
  timeout: number;
}

/** `files accept`, `files refuse` and `files preview`, for held files. */
export function addHeld(files: Command): void {
  const decision = (command: Command): Command =>
    command
      .argument("<id>", `${FILE_ARGUMENT}; \`tributary status --status held\` lists held files`)
      .addOption(durationOption("--timeout <duration>", "maximum wait for the file's end", "10m"));
  const decide = (verb: "accept" | "refuse") =>
    action(async (session, id: string, flags: Decision & DialectFlags) => {
      const { client, print } = session;
      const query = verb === "accept" ? new URLSearchParams(dialectParameters(flags)).toString() : "";
      const fileId = await findFileId(client, id, { status: "held" });
      const path = `/v1/files/${encodeURIComponent(fileId)}/${verb}${query && `?${query}`}`;
      const body = JSON.stringify(flags.reason === undefined ? {} : { reason: flags.reason });
      const sent = await client.send<FileAnswer>("POST", path, { body, contentType: "application/json" });
      const file = await waitForEnd(client, sent, flags.timeout);
      print(file as FileAnswer & Record<string, unknown>, show.fileText);
      if (verb === "refuse" && file.error?.code === "FILE_REFUSED") return EXIT.ok;
      tellProblems(session, [file]);
      return exitCodeOf(session, [file]);
    });
  withDialect(decision(files.command("accept")))
    .description("load a held file all the same, as it was read or with other settings")
    .option("--reason <text>", "why; it is recorded in the audit log")
    .addHelpText(
      "after",
      "\nExample:\n  tributary files accept 0190c5e2-… --delimiter semicolon --reason 'the bank changed its export'",
    )
    .action(decide("accept"));
  decision(files.command("refuse"))
    .description("refuse a held file: it ends as failed, and its table stays as it is")
    .requiredOption("--reason <text>", "why; it is recorded in the ledger and in the audit log")
    .action(decide("refuse"));
  withDialect(files.command("preview"))
    .description("preview a received file from its kept raw bytes, as it was read or with other settings")
    .argument("<id>", FILE_ARGUMENT)
    .action(
      action(async ({ client, print }, id: string, flags: DialectFlags) => {
        const query = new URLSearchParams(dialectParameters(flags)).toString();
        const fileId = await findFileId(client, id, { status: "held" });
        const path = `/v1/files/${encodeURIComponent(fileId)}/preview${query && `?${query}`}`;
        const preview = await client.send<show.PreviewAnswer>("GET", path);
        print(preview, show.previewText);
        return preview.error ? EXIT.no : EXIT.ok;
      }),
    );
}
