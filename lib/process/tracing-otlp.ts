/**
 * Tracing with OTLP over HTTP. Imported only if tracing is on, because loading the SDK dominates the start
 * time.
 */
import { ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags, type Context } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type SpanExporter,
} from "@opentelemetry/sdk-trace";
import type { Clock } from "../clock.ts";
import { readTraceparent, type Tracer } from "./tracing.ts";

export interface OtlpOptions {
  /** Spans are sent to `<endpoint>/v1/traces`. */
  endpoint: string;
  /** Share of the traces started here that are recorded, 0 to 1. */
  share: number;
  service: string;
  version: string;
  clock: Clock;
  /** Called when spans could not be sent. They are dropped; nothing else is affected. */
  onError: (thrown: unknown) => void;
}

const EXPORT_EVERY_MS = 1_000;
const CLOSE_MS_MAX = 3_000;

/**
 * Sends spans in batches in the background and drops spans that do not fit in its queue. `close` sends the
 * remaining spans for at most CLOSE_MS_MAX.
 */
export function openOtlpTracer(options: OtlpOptions): Tracer & { close(): Promise<void> } {
  const { endpoint, share, service, version, clock, onError } = options;
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` });
  const provider = new TracerProvider({
    resource: detectResources({ detectors: [envDetector] }).merge(
      resourceFromAttributes({ "service.name": service, "service.version": version }),
    ),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: reporting(exporter, onError), scheduledDelayMillis: EXPORT_EVERY_MS }),
    ],
  });
  const tracer = provider.getTracer("tributary", version);
  return {
    start(name, { parent, attributes, startMs }) {
      const span = tracer.startSpan(
        name,
        { attributes: { ...attributes }, ...(startMs === undefined ? {} : { startTime: startMs }) },
        contextOf(parent),
      );
      const { traceId, spanId, traceFlags } = span.spanContext();
      return {
        traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
        set: (more) => void span.setAttributes({ ...more }),
        end({ errorCode, atMs } = {}) {
          if (errorCode) span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode });
          if (errorCode) span.setAttribute("error.type", errorCode);
          span.end(atMs);
        },
      };
    },
    async close() {
      const closed = new AbortController();
      const timeout = clock.sleep(CLOSE_MS_MAX, closed.signal);
      await Promise.race([provider.shutdown().catch(onError), timeout]);
      closed.abort();
    },
  };
}

/** The parent context; an invalid traceparent starts a new trace. */
function contextOf(traceparent: string | undefined): Context {
  const parent = readTraceparent(traceparent);
  if (!parent) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags & TraceFlags.SAMPLED,
    isRemote: true,
  });
}

/** Wraps the exporter to report its failures, which the SDK hides. */
function reporting(exporter: SpanExporter, onError: (thrown: unknown) => void): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error) onError(result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
