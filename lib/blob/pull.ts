import { Readable } from "node:stream";

export interface Source {
  /** The next bytes, or null at the end. Called again only after it has settled. */
  next: () => Promise<Buffer | null>;
  /** Called once, however the stream ends; must make a running `next` settle. */
  close: () => Promise<void>;
  highWaterMark?: number;
  signal?: AbortSignal | undefined;
}

/**
 * A byte stream that asks its source only when the reader wants more. (Readable.from an async generator neither closes a source
 * that was never read nor one that waits for bytes.)
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
  // Whoever reads is told. Without a listener an abort that comes before anybody reads would end the process.
  return body.on("error", () => undefined);
}
