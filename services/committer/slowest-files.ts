/** What a file spends its time on, from its arrival until it is on record: they follow each other without gaps. */
export const FILE_STEPS = ["wait", "parse", "queue", "commit", "record"] as const;
export type FileStep = (typeof FILE_STEPS)[number];

/** A file that is on record, and what its time went on. */
export interface TimedFile {
  readonly table: string;
  readonly fileId: string;
  readonly stepsMs: Readonly<Record<FileStep, number>>;
}

const FILES_MAX = 10;
const MINUTES = 15;
const MINUTE_MS = 60_000;

const totalMs = ({ stepsMs }: TimedFile): number => Object.values(stepsMs).reduce((sum, ms) => sum + ms, 0);

const slowestOf = (files: readonly TimedFile[]): TimedFile[] =>
  [...files].sort((a, b) => totalMs(b) - totalMs(a)).slice(0, FILES_MAX);

/** The slowest files of the last minutes. Of each minute the slowest few are held, so that it stays small and forgets in time. */
export class SlowestFiles {
  readonly #minutes = new Map<number, TimedFile[]>();

  note(file: TimedFile, nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    this.#minutes.set(minute, slowestOf([...(this.#minutes.get(minute) ?? []), file]));
    this.#forget(minute);
  }

  /** Slowest first. */
  at(nowMs: number): TimedFile[] {
    this.#forget(Math.floor(nowMs / MINUTE_MS));
    return slowestOf([...this.#minutes.values()].flat());
  }

  #forget(minute: number): void {
    for (const old of this.#minutes.keys()) if (old <= minute - MINUTES) this.#minutes.delete(old);
  }
}
