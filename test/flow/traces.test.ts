import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startTributary } from "../../scripts/tributary-process.ts";
import { startOtlpReceiver, type ReceivedSpan } from "../support/otlp-receiver.ts";
import { until } from "../support/until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const WAIT_MS = 30_000;

test("one upload is one trace: received, parsed, committed, each a child of the previous span", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-traces-"));
  await using collector = await startOtlpReceiver();
  const tributary = await startTributary(folder, { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/` });
  const upload = async (name: string, body: string, headers: Record<string, string> = {}): Promise<string> => {
    const url = `${tributary.url}/v1/tables/traced/files/${name}?wait=committed`;
    const answer = await fetch(url, { method: "PUT", body, headers });
    const said = (await answer.json()) as { fileId?: string; file?: { fileId: string } };
    return said.fileId ?? said.file!.fileId;
  };
  /** The spans of a file's trace, once all have arrived. */
  const traceOf = (fileId: string): Promise<Record<string, ReceivedSpan>> =>
    until(
      `the trace of ${fileId}`,
      () => {
        const first = collector.spans.find(({ attributes }) => attributes["tributary.file_id"] === fileId);
        const trace = collector.spans.filter(({ traceId }) => traceId === first?.traceId);
        return trace.length >= 4 && Object.fromEntries(trace.map((span) => [span.name, span]));
      },
      WAIT_MS,
    );
  try {
    const fileId = await upload("a.csv", "id,n\n1,2\n3\n");
    const { receive, parse, commit, record } = await traceOf(fileId);
    assert.deepEqual(
      [receive, parse, commit, record].map((span) => [span!.service, span!.parentSpanId]),
      [
        ["tributary-gateway", ""],
        ["tributary-parser", receive!.spanId],
        ["tributary-committer", parse!.spanId],
        ["tributary-committer", commit!.spanId],
      ],
    );
    for (const span of [receive, parse, commit]) {
      assert.equal(span!.attributes["tributary.file_id"], fileId);
      assert.equal(span!.attributes["tributary.table"], "traced");
      assert.equal(span!.error, undefined);
    }
    assert.equal(parse!.attributes["tributary.rows_read"], 2);
    assert.equal(commit!.attributes["tributary.rows_committed"], 1);
    assert.equal(commit!.attributes["tributary.status"], "committed");
    assert.ok(
      receive!.startMs <= parse!.startMs && parse!.startMs <= commit!.startMs && commit!.endMs > commit!.startMs,
    );

    const sender = { trace: "0af7651916cd43dd8448eb211c80319c", span: "b7ad6b7169203331" };
    const within = await upload("b.csv", "id,n\n5,6\n", { traceparent: `00-${sender.trace}-${sender.span}-01` });
    const theirs = await traceOf(within);
    assert.deepEqual([theirs.receive!.traceId, theirs.receive!.parentSpanId], [sender.trace, sender.span]);

    const failed = await traceOf(await upload("empty.csv", ""));
    assert.deepEqual([failed.parse!.error, failed.commit!.error], ["FILE_EMPTY", "FILE_EMPTY"]);
    assert.equal(await tributary.stop(), 0);
  } finally {
    await tributary.stop("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});

test("an unavailable collector is logged and affects neither files nor the shutdown", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-traces-"));
  const tributary = await startTributary(folder, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  try {
    const url = `${tributary.url}/v1/tables/traced/files/a.csv?wait=committed`;
    assert.equal((await fetch(url, { method: "PUT", body: "id\n1\n" })).status, 200);
    assert.equal(await tributary.stop(), 0);
    assert.match(tributary.log(), /traces cannot be sent/);
  } finally {
    await tributary.stop("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});

test("without an endpoint no module of the SDK is loaded", () => {
  const loaded = (modules: string[]): string[] => {
    const script = `
      import { Module } from "node:module";
      await Promise.all(${JSON.stringify(modules)}.map((path) => import(${JSON.stringify(root)} + path)));
      const packages = Object.keys(Module._cache).map((path) => /@opentelemetry\\/[\\w-]+/.exec(path)?.[0]);
      console.log(JSON.stringify([...new Set(packages)].filter(Boolean)));`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", script];
    return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" })) as string[];
  };
  const services = ["gateway", "parser", "committer", "scheduler"].map((name) => `services/${name}/service.ts`);
  // prom-client depends on the API.
  assert.deepEqual(loaded(["services/ports.ts", ...services]), ["@opentelemetry/api"]);
  assert.ok(
    loaded(["lib/process/tracing-otlp.ts"]).includes("@opentelemetry/sdk-trace"),
    "the check detects a loaded SDK",
  );
});
