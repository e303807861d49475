import type { Started } from "./processes.ts";
import type { StackSettings } from "./settings.ts";

/** What starting a program needs. */
export interface StackContext {
  data: string;
  cache: string;
  /** A Java home. */
  java: string;
  trinoMemory: string;
  settings: StackSettings;
  /** The little of our own environment that a server needs; no foreign credentials. */
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  say: (line: string) => void;
  /** Where a process of that name logs. */
  log: (name: string) => string;
  /** Writes the process down, so that it can be stopped whatever happens to us. */
  started: (started: Started) => Started;
}

/**
 * Waits for all, aborting the others when one fails. All have settled when it returns or throws the first failure, so that none
 * starts a process behind the back of who cleans up.
 */
export async function allOrFirstFailure(work: readonly Promise<unknown>[], others: AbortController): Promise<void> {
  for (const each of work) each.catch((error: unknown) => others.abort(error));
  await Promise.allSettled(work);
  if (others.signal.aborted) throw others.signal.reason;
}
