import type { Started } from "./processes.ts";
import type { StackSettings } from "./settings.ts";

/** What the start of a program needs. */
export interface StackContext {
  data: string;
  cache: string;
  /** A Java home. */
  java: string;
  trinoMemory: string;
  settings: StackSettings;
  /** The environment of the servers: a few variables of this process, without credentials. */
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  say: (line: string) => void;
  /** Path of the log of the process with that name. */
  log: (name: string) => string;
  /** Records the process on disk, so that it can be stopped even if this process dies. */
  started: (started: Started) => Started;
}

/**
 * Waits for all; aborts the others when one fails. Returns or throws the first failure after all have
 * settled, so that none starts a process during the cleanup.
 */
export async function allOrFirstFailure(work: readonly Promise<unknown>[], others: AbortController): Promise<void> {
  for (const each of work) each.catch((error: unknown) => others.abort(error));
  await Promise.allSettled(work);
  if (others.signal.aborted) throw others.signal.reason;
}
