import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";

const FILE_BYTES_MAX = 1024 * 1024;

export interface FollowOptions {
  clock: Clock;
  everyMs: number;
  /** Takes the new contents over. What it throws leaves everything as it was. */
  take: (contents: readonly string[]) => void;
  /** Once for each state of the files that cannot be taken over: unreadable, or refused by `take`. */
  onRefused: (why: string) => void;
}

/**
 * Looks at the files every so often and takes over what has changed, once they look the same twice in a row: files that belong together
 * are not replaced at the same moment. By content, since links are switched and times kept (mounted secrets).
 */
export function followFiles(
  paths: readonly string[],
  first: readonly string[],
  { clock, everyMs, take, onRefused }: FollowOptions,
): { close(): Promise<void> } {
  const stopping = new AbortController();
  let known = stateOf(first);
  let seen = known;
  const look = async (): Promise<void> => {
    const found = await readAll(paths);
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
      await look();
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
