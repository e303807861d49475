import type { Command } from "commander";
import { ERRORS } from "../lib/errors.ts";
import { countText, EXIT, tableText, UsageError } from "./output.ts";
import { action, durationOption, type Session } from "./session.ts";
import { barOf, exitCodeOf, tellProblems, waitForEnd, type FileAnswer } from "./upload.ts";

interface ReplayAnswer {
  dryRun: boolean;
  /** `newest`: the file has no newer version; an older gateway does not tell. */
  files: { sourceFile: string; sourceOffset: number; fileId: string | null; newest?: boolean }[];
  missing: { sourceFile: string; sourceOffset: number; contentHash: string }[];
}

interface ReplayFlags {
  dryRun?: boolean;
  wait?: boolean;
  timeout: number;
}

interface RangeFlags {
  from?: string;
  to?: string;
  only?: string;
  asNewest?: boolean;
}

/** The options of all replay commands. */
export const withReplayFlags = (command: Command): Command =>
  command
    .option("--dry-run", "show which files would be replayed, without a replay")
    .option("--wait", "wait for each file and show its final status; the exit code is 1 if a file failed")
    .addOption(durationOption("--timeout <duration>", "maximum wait", "10m"));

/** Requests a replay, waits for its files if asked to, and prints the result. Returns the exit code. */
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
      `${sourceFile}, version ${sourceOffset}: skipped, its raw file is missing\n→ ${ERRORS.BLOB_MISSING.remedy}`,
    );
  }
  // Rejects of a version that a newer one supersedes are not the file's any more.
  const current = (ended ?? []).filter(
    ({ status }, n) => answer.files[n]!.newest !== false || !["committed", "rejected"].includes(status),
  );
  tellProblems(session, current);
  return answer.missing.length > 0 ? EXIT.no : exitCodeOf(session, current);
}

/** The final status of each file, or its status at the timeout. Shows a progress bar on standard error. */
async function follow({ client, json }: Session, { files }: ReplayAnswer, timeoutMs: number): Promise<FileAnswer[]> {
  const deadline = performance.now() + timeoutMs;
  const bar = await barOf("[{bar}] {value} of {total} file versions, {eta_formatted} left");
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
  const hint = ended ? "" : "; `tributary status --table …` shows their status";
  const done = dryRun ? "would be replayed" : `replayed${hint}`;
  return `${tableText(headings, rows)}\n${countText(files.length, "file version")} ${done}`;
}

/** Parses an offset or a time (ISO 8601). Undefined: it is neither. */
function boundOf(text: string): { offset: number } | { time: string } | undefined {
  if (/^\d+$/.test(text)) return { offset: Number(text) };
  const timeMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(timeMs) ? undefined : { time: new Date(timeMs).toISOString() };
}

function endOf(text: string): { offset: number } | { time: string } {
  const bound = boundOf(text);
  if (!bound) throw new UsageError(`invalid --to '${text}': use an offset or a time (2026-01-31 or ISO 8601)`);
  return bound;
}

export function addReplay(program: Command): void {
  withReplayFlags(program.command("replay"))
    .description("parse and commit past file versions of a table again (backfill); repeating it is safe")
    .argument("<table>")
    .option("--from <position>", "an offset, a time (2026-01-31 or ISO 8601) or a file name")
    .option("--to <position>", "an offset or a time")
    .option("--only <file>", "only this file")
    .option("--as-newest", "go back: the versions become the newest, over everything received since (not append)")
    .addHelpText(
      "after",
      `
Versions that the event log no longer holds are read from the blob store.
A replayed version keeps its place in the order of versions: newer content stays. A file that is not applied
for this reason ends as failed with FILE_SUPERSEDED. To go back to old content on purpose, use --as-newest.

Example:
  tributary replay sales --from 2026-01-01 --dry-run
  tributary replay sales --only jan.csv --to 2026-02-01 --as-newest`,
    )
    .action(
      action((session, table: string, flags: ReplayFlags & RangeFlags) => {
        const body = {
          ...(flags.from === undefined ? {} : { from: boundOf(flags.from) ?? { file: flags.from } }),
          ...(flags.to === undefined ? {} : { to: endOf(flags.to) }),
          ...(flags.only === undefined ? {} : { onlyFile: flags.only }),
          ...(flags.asNewest ? { asNewest: true } : {}),
        };
        const path = `/v1/tables/${encodeURIComponent(table)}/replay`;
        return replay(session, path, body, flags, "no file versions in that range");
      }),
    );
}
