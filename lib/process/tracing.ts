/** What a span says about its work. Names are `tributary.…`. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** A piece of work in a file's trace. */
export interface Span {
  /** W3C trace context for the work that follows from this; undefined where nothing is traced. */
  readonly traceparent: string | undefined;
  set(attributes: SpanAttributes): void;
  /** `errorCode`: how the work failed. `atMs`: when it ended, epoch milliseconds; default: now. */
  end(how?: { errorCode?: string | null; atMs?: number }): void;
}

/**
 * Follows files from upload to commit. A span's context travels with the event that it published, as the header `traceparent` of the log's
 * record: the next service's span is its child.
 */
export interface Tracer {
  /** `parent`: the traceparent that came with what is worked on. `startMs`: when it began, epoch milliseconds; default: now. */
  start(name: string, about: { parent: string | undefined; attributes: SpanAttributes; startMs?: number }): Span;
}

/** Traces nothing and costs nothing; contexts made by others are passed on. */
export const untraced: Tracer = {
  start: (_name, { parent }) => ({ traceparent: parent, set: () => undefined, end: () => undefined }),
};

export interface TraceContext {
  traceId: string;
  spanId: string;
  /** Bit 0: the trace is recorded. */
  flags: number;
}

/** A W3C traceparent taken apart; undefined if the text is none. */
export function readTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId, spanId, flags] =
    /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** The trace context as a record of the event log carries it. */
export const carrying = (traceparent: string | undefined): { headers?: { traceparent: string } } =>
  traceparent === undefined ? {} : { headers: { traceparent } };
