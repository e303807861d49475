import { Readable } from "node:stream";

export interface Source {
  /** The next bytes, or null at the end. Never called before the previous call has settled. */
  next: () => Promise<Buffer | null>;
  /** Called once when the stream ends or is destroyed. Must make a pending `next` settle. */
  close: () => Promise<void>;
  highWaterMark?: number;
  signal?: AbortSignal | undefined;
}

/**
 * A byte stream that pulls from its source on demand. (Readable.from with an async generator does not close a
 * source that was never read or that is waiting for bytes.)
 */
export function pullFrom({ next, close, highWaterMark, signal }: Source): Readable {
  const body = new Readable({
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    ...(signal === undefined ? {} : { signal }),
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, done) {
      close().then(
        () => done(error),
        (fault: unknown) => done(error ?? (fault as Error)),
      );
    },
  });
  // Readers still get the error. Without this listener, an abort before the first read would end the process.
  return body.on("error", () => undefined);
}
