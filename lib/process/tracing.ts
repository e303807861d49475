/** Attributes of a span. Names are `tributary.…`. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** One unit of work in a file's trace. */
export interface Span {
  /** W3C trace context for child spans; undefined without tracing. */
  readonly traceparent: string | undefined;
  set(attributes: SpanAttributes): void;
  /** `errorCode`: the failure, if any. `atMs`: end time in epoch milliseconds, default now. */
  end(how?: { errorCode?: string | null; atMs?: number }): void;
}

/**
 * Traces files from upload to commit. The published record carries the span's context in the header
 * `traceparent`, so the span of the next service is its child.
 */
export interface Tracer {
  /**
   * `parent`: the traceparent of the received record. `startMs`: start time in epoch milliseconds, default
   * now.
   */
  start(name: string, about: { parent: string | undefined; attributes: SpanAttributes; startMs?: number }): Span;
}

/** Creates no spans; passes on received trace contexts. */
export const untraced: Tracer = {
  start: (_name, { parent }) => ({ traceparent: parent, set: () => undefined, end: () => undefined }),
};

export interface TraceContext {
  traceId: string;
  spanId: string;
  /** Bit 0: the trace is recorded. */
  flags: number;
}

/** Parses a W3C traceparent; undefined if it is invalid. */
export function readTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId, spanId, flags] =
    /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** The record headers for a trace context. */
export const carrying = (traceparent: string | undefined): { headers?: { traceparent: string } } =>
  traceparent === undefined ? {} : { headers: { traceparent } };
