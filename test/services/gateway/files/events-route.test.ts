import assert from "node:assert/strict";
import { test } from "node:test";
import { fileStatusSchema } from "../../../../services/gateway/http/schemas.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

async function upload(gateway: TestGateway, table: string): Promise<string> {
  const response = await fetch(`${gateway.url}/v1/tables/${table}/files/a.csv`, { method: "PUT", body: "id\n1\n" });
  return fileStatusSchema.parse(await response.json()).fileId;
}

/** Reads the events of a stream until its end. */
async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: unknown }> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (event !== undefined) yield { event, data: JSON.parse(data!) };
    }
  }
}

test("changes of state are streamed, optionally of one table", async () => {
  await using gateway = await testGateway();
  const stream = await fetch(`${gateway.url}/v1/events?table=sales`);
  assert.equal(stream.headers.get("content-type"), "text/event-stream");
  const events = eventsOf(stream);
  await upload(gateway, "other");
  const fileId = await upload(gateway, "sales");
  await gateway.parsed(fileId);
  await gateway.ended(fileId);
  for (const expected of ["received", "parsed", "committed"]) {
    const next = await events.next();
    assert.ok(!next.done);
    const { value } = next;
    assert.equal(value.event, "file");
    const status = fileStatusSchema.strict().parse(value.data);
    assert.deepEqual([status.fileId, status.status], [fileId, expected]);
  }
  await events.return(undefined);
});

test("the number of streams is limited, and they end when the gateway drains", async () => {
  const gateway = await testGateway({ TRIBUTARY_EVENT_STREAMS_MAX: "1" });
  const stream = await fetch(`${gateway.url}/v1/events`);
  await problemIn(await fetch(`${gateway.url}/v1/events`), 503, "OVERLOADED");
  const [rest] = await Promise.all([drainAll(eventsOf(stream)), gateway.drain()]);
  assert.deepEqual(rest, []);
});

async function drainAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test("a client that disconnects frees its place", async () => {
  await using gateway = await testGateway({ TRIBUTARY_EVENT_STREAMS_MAX: "1" });
  const leaving = new AbortController();
  await fetch(`${gateway.url}/v1/events`, { signal: leaving.signal });
  leaving.abort();
  const deadline = performance.now() + 5_000;
  for (;;) {
    const again = new AbortController();
    const { status } = await fetch(`${gateway.url}/v1/events`, { signal: again.signal });
    again.abort();
    if (status === 200) break;
    assert.ok(performance.now() < deadline, "the place was not given back");
  }
});
