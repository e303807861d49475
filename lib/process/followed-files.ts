import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";

const FILE_BYTES_MAX = 1024 * 1024;

export interface FollowOptions {
  clock: Clock;
  everyMs: number;
  /** Applies the new contents. If it throws, it must have changed nothing. */
  take: (contents: readonly string[]) => void;
  /** Called once for each state of the files that cannot be applied: unreadable, or `take` throws. */
  onRefused: (why: string) => void;
}

/** Follows the contents of the files: see `followContents`. */
export const followFiles = (
  paths: readonly string[],
  first: readonly string[],
  options: FollowOptions,
): { close(): Promise<void> } => followContents(() => readAll(paths), first, options);

/**
 * Reads every `everyMs` and applies changes when two successive reads are equal, because files that belong
 * together are not replaced at the same moment. It compares contents, because mounted secrets switch symbolic
 * links and can keep their times.
 */
export function followContents(
  read: () => Promise<readonly string[] | Error>,
  first: readonly string[],
  { clock, everyMs, take, onRefused }: FollowOptions,
): { close(): Promise<void> } {
  const stopping = new AbortController();
  let known = stateOf(first);
  let seen = known;
  const poll = async (): Promise<void> => {
    const found = await read();
    const state = stateOf(found);
    const settled = state === seen;
    seen = state;
    if (!settled || state === known) return;
    known = state;
    try {
      if (found instanceof Error) throw found;
      take(found);
    } catch (error) {
      onRefused(messageOf(error));
    }
  };
  const loop = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(everyMs, stopping.signal);
      if (stopping.signal.aborted) return;
      await poll();
    }
  };
  const running = loop();
  return {
    async close() {
      stopping.abort();
      await running;
    },
  };
}

const stateOf = (found: readonly string[] | Error): string =>
  found instanceof Error ? `unreadable: ${found.message}` : JSON.stringify(found);

async function readAll(paths: readonly string[]): Promise<string[] | Error> {
  try {
    const contents: string[] = [];
    for (const path of paths) {
      if ((await stat(path)).size > FILE_BYTES_MAX) throw new Error(`${path} is larger than ${FILE_BYTES_MAX} bytes`);
      contents.push(await readFile(path, "utf8"));
    }
    return contents;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
