/** Traces by OTLP over HTTP. Imported only where tracing is on: loading the SDK takes longer than everything else at start. */
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
  /** Spans go to `<endpoint>/v1/traces`. */
  endpoint: string;
  /** 0 to 1: of the traces that begin here, so many are recorded. */
  share: number;
  service: string;
  version: string;
  clock: Clock;
  /** Told when spans could not be sent. They are dropped; nothing else is disturbed. */
  onError: (thrown: unknown) => void;
}

const EXPORT_EVERY_MS = 1_000;
const CLOSE_MS_MAX = 3_000;

/** Sends spans in batches, in the background; what does not fit its queue is dropped. `close` sends what is left, if that works soon. */
export function openOtlpTracer(options: OtlpOptions): Tracer & { close(): Promise<void> } {
  const { endpoint, share, service, version, clock, onError } = options;
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` });
  const provider = new TracerProvider({
    resource: detectResources({ detectors: [envDetector] }).merge(
      resourceFromAttributes({ "service.name": service, "service.version": version }),
    ),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: telling(exporter, onError), scheduledDelayMillis: EXPORT_EVERY_MS }),
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
      const patience = clock.sleep(CLOSE_MS_MAX, closed.signal);
      await Promise.race([provider.shutdown().catch(onError), patience]);
      closed.abort();
    },
  };
}

/** What is no context begins a trace of its own. */
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

/** The exporter, whose failures are told. The SDK would keep them to itself. */
function telling(exporter: SpanExporter, onError: (thrown: unknown) => void): SpanExporter {
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
