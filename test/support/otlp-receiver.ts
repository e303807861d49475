/** A minimal trace collector: accepts OTLP over HTTP as JSON and keeps the spans. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface ReceivedSpan {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  attributes: Record<string, string | number>;
  /** In milliseconds, with fractions. */
  startMs: number;
  endMs: number;
  error: string | undefined;
}

interface Value {
  stringValue?: string;
  intValue?: string | number;
  doubleValue?: number;
}

interface Exported {
  resourceSpans: {
    resource: { attributes: { key: string; value: Value }[] };
    scopeSpans: {
      spans: {
        name: string;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        attributes: { key: string; value: Value }[];
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        status: { code?: number; message?: string };
      }[];
    }[];
  }[];
}

export interface OtlpReceiver extends AsyncDisposable {
  url: string;
  spans: ReceivedSpan[];
  requests: number;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const receiver = { url: "", spans, requests: 0, [Symbol.asyncDispose]: () => close() };
  const server = createServer((request, response) => {
    void (async () => {
      receiver.requests++;
      if (request.url === "/v1/traces") spans.push(...spansOf((await json(request)) as Exported));
      response.writeHead(request.url === "/v1/traces" ? 200 : 404, { "content-type": "application/json" }).end("{}");
    })();
  });
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return receiver;
}

const valueOf = ({ stringValue, intValue, doubleValue }: Value): string | number =>
  stringValue ?? doubleValue ?? Number(intValue);

const attributesOf = (list: { key: string; value: Value }[]): Record<string, string | number> =>
  Object.fromEntries(list.map(({ key, value }) => [key, valueOf(value)]));

function spansOf({ resourceSpans }: Exported): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(attributesOf(resource.attributes)["service.name"]),
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        attributes: attributesOf(span.attributes),
        startMs: Number(span.startTimeUnixNano) / 1e6,
        endMs: Number(span.endTimeUnixNano) / 1e6,
        error: span.status.code === 2 ? (span.status.message ?? "") : undefined,
      })),
    ),
  );
}
