/** The steps of a file from its arrival until it is recorded, contiguous in time. */
export const FILE_STEPS = ["wait", "parse", "queue", "commit", "record"] as const;
export type FileStep = (typeof FILE_STEPS)[number];

/** A recorded file with the duration of each step. */
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

/**
 * The slowest files of the last MINUTES. Keeps only the slowest few of each minute, so that memory stays
 * bounded.
 */
export class SlowestFiles {
  readonly #minutes = new Map<number, TimedFile[]>();

  note(file: TimedFile, nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    this.#minutes.set(minute, slowestOf([...(this.#minutes.get(minute) ?? []), file]));
    this.#expire(minute);
  }

  /** Slowest first. */
  at(nowMs: number): TimedFile[] {
    this.#expire(Math.floor(nowMs / MINUTE_MS));
    return slowestOf([...this.#minutes.values()].flat());
  }

  #expire(minute: number): void {
    for (const old of this.#minutes.keys()) if (old <= minute - MINUTES) this.#minutes.delete(old);
  }
}
