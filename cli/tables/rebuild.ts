import type { Command } from "commander";
import type { Progress } from "../../lib/messages/progress.ts";
import { progressText, whileShown } from "../progress.ts";
import { countText, EXIT, listText, sizeText } from "../output.ts";
import { CONFIRM, nameAgain } from "../requests/consent.ts";
import { action, durationOption, type Session } from "../session.ts";
import { hasEnded, waitForEnd, type FileAnswer } from "../upload.ts";
import { exitOf, stateText, withFlags, type Flags, type Status } from "./take-back.ts";

interface RebuildAnswer {
  table: string;
  status: Status;
  files: number;
  bytes: number;
  missing: string[];
  waiting: number;
  /** Earlier gateways have neither `after` nor `rejects`. */
  rows: { now: number; inFiles: number | null; after?: number | null };
  rejects?: { now: number; after: number } | null;
  columns: { name: string; change: "type" | "new" | "gone"; from: string | null; to: string | null }[] | null;
  unreadable: { file: string; error: string }[];
  complete: boolean;
  error: string | null;
  /** Earlier gateways have neither. */
  code?: string | null;
  remedy?: string | null;
  links: { self: string | null };
}

/** A rebuild that waits or runs. */
export interface RunningRebuild {
  fileId: string;
  progress: Progress | null;
}

interface RebuildFlags extends Flags {
  confirm?: string;
  timeout: number;
}

/** `tributary tables rebuild`; `tables` is the command that `addTables` has added. */
export function addRebuild(program: Command): void {
  const tables = program.commands.find((command) => command.name() === "tables")!;
  withFlags(
    tables
      .command("rebuild")
      .description("read a table's kept raw files again under the present contract, into a new table that replaces it")
      .argument("<table>"),
  )
    .option(...CONFIRM)
    .addOption(durationOption("--timeout <duration>", "maximum wait; the rebuild continues", "24h"))
    .addHelpText(
      "after",
      "\nTypes that the contract does not declare are found in all files together. If any file cannot be read, the " +
        "table stays as it is.\nWhile the command waits, it shows the progress on standard error.",
    )
    .action(
      action(async (session, table: string, { timeout, dryRun = false, ...flags }: RebuildFlags) => {
        const ask = (body: object): Promise<RebuildAnswer> =>
          session.client.send<RebuildAnswer>("POST", `/v1/tables/${encodeURIComponent(table)}/rebuild`, {
            body: JSON.stringify(body),
            contentType: "application/json",
          });
        const plan = async () => rebuildText(await ask({ dryRun: true }));
        const change = { table, plan, question: "Rebuild the table?" };
        const sure = dryRun ? flags : await nameAgain(session, flags, change);
        if (!sure) return EXIT.no;
        const rebuild = async (): Promise<RebuildAnswer> => {
          const answer = await ask({ ...sure, dryRun: false });
          return answer.status === "pending" ? endOf(session, answer, timeout) : answer;
        };
        const answer = dryRun
          ? await ask({ ...flags, dryRun })
          : await whileShown(session, () => runningText(session, table), rebuild);
        session.print(answer, rebuildText);
        const isSound = answer.missing.length + answer.unreadable.length === 0;
        return isSound ? exitOf(answer.status) : EXIT.no;
      }),
    );
}

/** Waits for a rebuild that was not finished in the time of its request. */
async function endOf({ client, tell }: Session, answer: RebuildAnswer, timeoutMs: number): Promise<RebuildAnswer> {
  const path = answer.links.self!;
  try {
    const ended = await waitForEnd(client, await client.send<FileAnswer>("GET", path), timeoutMs);
    if (!hasEnded(ended)) return answer;
    const { code = null, message = null, remedy = null } = ended.error ?? {};
    return { ...answer, status: ended.status === "committed" ? "done" : "failed", error: message, code, remedy };
  } catch (thrown) {
    tell(`the rebuild continues; its status: tributary status ${path.split("/").at(-1)}`);
    throw thrown;
  }
}

/** How far the table's rebuild is. */
async function runningText({ client }: Session, table: string): Promise<string | undefined> {
  const path = `/v1/tables/${encodeURIComponent(table)}`;
  const { rebuild } = await client.send<{ rebuild?: RunningRebuild | null }>("GET", path);
  return rebuild ? progressText(rebuild) : undefined;
}

const CHANGES_SHOWN_MAX = 50;

function rebuildText(answer: RebuildAnswer): string {
  const { table, status, files, bytes, missing, waiting, rows, columns, unreadable, complete, links } = answer;
  const { error, code, remedy, rejects } = answer;
  const changes = (columns ?? [])
    .slice(0, CHANGES_SHOWN_MAX)
    .map(({ name, change, from, to }): [string, string] => [
      `  ${name}`,
      change === "type" ? `${from} → ${to}` : change === "new" ? `new, ${to}` : `goes, ${from}`,
    ]);
  return listText([
    ["table", table],
    ["rebuild", stateText(status, links)],
    ["why not", error && code ? `${code}: ${error}` : error],
    ["remedy", remedy],
    ["read again", `${countText(files, "file version")}, ${sizeText(bytes)}`],
    ["on their way", waiting === 0 ? null : countText(waiting, "file")],
    [status === "planned" ? "rows now" : "rows before", rows.now],
    ["rows in the files", rows.inFiles],
    ["rows after", rows.after],
    ["rejected rows", rejects && `${rejects.now} now, ${rejects.after} after`],
    ["columns that change", columns === null ? null : columns.length],
    ...changes,
    ["raw bytes gone", missing.length === 0 ? null : missing.join(", ")],
    ...unreadable.map(({ error: why }): [string, string] => ["cannot be read", why]),
    ["note", complete ? null : "not all files were read: the changes may be more"],
  ]);
}
