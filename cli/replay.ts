import type { Command } from "commander";
import { ERRORS } from "../lib/errors.ts";
import { EXIT, tableText } from "./output.ts";
import { action, durationMs, type Session } from "./session.ts";
import { barOf, exitCodeOf, waitForEnd, type FileAnswer } from "./upload.ts";

interface ReplayAnswer {
  dryRun: boolean;
  files: { sourceFile: string; sourceOffset: number; fileId: string | null }[];
  missing: { sourceFile: string; sourceOffset: number; contentHash: string }[];
}

interface ReplayFlags {
  dryRun?: boolean;
  wait?: boolean;
  timeout: number;
}

/** What every command that publishes versions again can be told. */
export const withReplayFlags = (command: Command): Command =>
  command
    .option("--dry-run", "only say which files it would be")
    .option("--wait", "wait until each of them has ended, and say how; the exit code is 1 if one failed")
    .option("--timeout <duration>", "how long to wait, e.g. 10m", durationMs, 600_000);

/** Asks for versions to be published again, follows them if that is wanted, and says what came of it. */
export async function replay(
  session: Session,
  path: string,
  body: object,
  { dryRun = false, wait, timeout }: Partial<ReplayFlags>,
  nothing: string,
): Promise<number> {
  const answer = await session.client.send<ReplayAnswer>("POST", path, {
    body: JSON.stringify({ ...body, dryRun }),
    contentType: "application/json",
  });
  const ended = wait && !dryRun ? await follow(session, answer, timeout ?? 600_000) : undefined;
  session.print(ended ? { ...answer, ended } : answer, () => replayText(answer, ended, nothing));
  for (const { sourceFile, sourceOffset } of answer.missing) {
    session.tell(
      `${sourceFile}, version ${sourceOffset}: left out, its raw bytes are gone\n→ ${ERRORS.BLOB_MISSING.remedy}`,
    );
  }
  return answer.missing.length > 0 ? EXIT.no : exitCodeOf(session, ended ?? []);
}

/** How each of them ended, or stands when the time is up; a bar on standard error meanwhile. */
async function follow({ client, json }: Session, { files }: ReplayAnswer, timeoutMs: number): Promise<FileAnswer[]> {
  const deadline = performance.now() + timeoutMs;
  const bar = barOf("[{bar}] {value} of {total} file versions, {eta_formatted} left");
  const shown = process.stderr.isTTY && !json;
  if (shown) bar.start(files.length, 0);
  const ended: FileAnswer[] = [];
  try {
    for (const { fileId } of files) {
      const file = await client.send<FileAnswer>("GET", `/v1/files/${fileId}`);
      ended.push(await waitForEnd(client, file, deadline - performance.now()));
      if (shown) bar.increment();
    }
  } finally {
    bar.stop();
  }
  return ended;
}

function replayText({ dryRun, files }: ReplayAnswer, ended: FileAnswer[] | undefined, nothing: string): string {
  if (files.length === 0) return nothing;
  const rows = files.map(({ sourceFile, sourceOffset, fileId }, n) => {
    const end = ended?.[n];
    return [sourceFile, sourceOffset, fileId, ...(end ? [end.status, end.rowsCommitted, end.rowsRejected] : [])];
  });
  const headings = ["file", "version", "new id", ...(ended ? ["status", "committed", "rejected"] : [])];
  const follow = ended ? "" : "; `tributary status --table …` follows them";
  const done = dryRun ? "would be published again" : `published again${follow}`;
  return `${tableText(headings, rows)}\n${files.length} file versions ${done}`;
}

/** An offset, a time (ISO 8601), or else the name of a file. */
function placeOf(text: string): { offset: number } | { time: string } | { file: string } {
  if (/^\d+$/.test(text)) return { offset: Number(text) };
  if (/^\d{4}-\d\d-\d\d/.test(text)) return { time: new Date(text).toISOString() };
  return { file: text };
}

export function addReplay(program: Command): void {
  withReplayFlags(program.command("replay"))
    .description("publish past file versions of a table again (backfill); harmless when done twice")
    .argument("<table>")
    .option("--from <place>", "an offset, a time (2026-01-31 or ISO 8601) or a file name")
    .option("--to <place>", "an offset or a time")
    .option("--only <file>", "only this file; its rows become the newest, also over later corrections by other files")
    .addHelpText(
      "after",
      "\nVersions that the log does not hold any more are read from the blob store.\n\nExample:\n  tributary replay sales --from 2026-01-01 --dry-run",
    )
    .action(
      action((session, table: string, flags: ReplayFlags & { from?: string; to?: string; only?: string }) => {
        const body = {
          ...(flags.from === undefined ? {} : { from: placeOf(flags.from) }),
          ...(flags.to === undefined ? {} : { to: placeOf(flags.to) }),
          ...(flags.only === undefined ? {} : { onlyFile: flags.only }),
        };
        const path = `/v1/tables/${encodeURIComponent(table)}/replay`;
        return replay(session, path, body, flags, "no file versions in that range");
      }),
    );
}
