/** Answers that clients do not read: they take a bounded memory, and only for a while. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { systemClock, type Clock } from "../../../../lib/clock.ts";
import { until } from "../../../support/until.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "./problem-in.ts";

const MIB = 1024 * 1024;
/** Fifteen rows of 1 MiB; no kernel buffers as much. */
const LARGE = { columns: [{ name: "t", type: "varchar" }], rows: Array(15).fill(["x".repeat(MIB)]), truncated: false };
const STALL_MS = 60_000;
const SHORT_STALL_MS = 1_500;

/** A client that sends a query and reads nothing. */
async function silentClient(gateway: TestGateway): Promise<Socket> {
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined);
  socket.pause();
  const body = '{"sql":"SELECT large"}';
  const head = `POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  const asked = gateway.warehouse.queries.length + 1;
  socket.write(`${head}\r\n\r\n${body}`);
  await until("the query has run", () => gateway.warehouse.queries.length >= asked);
  return socket;
}

const query = (gateway: TestGateway, sql: string) =>
  fetch(`${gateway.url}/v1/query`, {
    method: "POST",
    body: JSON.stringify({ sql }),
    headers: { "content-type": "application/json" },
  });

function answering(gateway: TestGateway): void {
  const small = { ...LARGE, rows: [["x"]] };
  gateway.warehouse.answer = (sql) => (sql === "SELECT small" ? small : LARGE);
}

test("unread answers have one budget: beyond it large answers are refused, small ones are not", async () => {
  await using gateway = await testGateway();
  answering(gateway);
  const silent: Socket[] = [];
  for (let n = 0; n < 4; n++) silent.push(await silentClient(gateway));
  const refused = await problemIn(await query(gateway, "SELECT large"), 503, "OVERLOADED");
  assert.match(refused.detail, /answers wait for clients to read them/);
  assert.equal((await query(gateway, "SELECT small")).status, 200);
  silent[0]!.destroy();
  await until("there is room again", async () => {
    const answer = await query(gateway, "SELECT large");
    if (answer.status !== 200) await answer.body!.cancel();
    return answer.status === 200 && (await answer.text()) === JSON.stringify(LARGE);
  });
  for (const socket of silent) socket.destroy();
});

test("a client that stops reading is disconnected; one that reads slowly is not", async () => {
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => systemClock.sleep(ms === STALL_MS ? SHORT_STALL_MS : ms, signal),
  };
  await using gateway = await testGateway({}, { clock });
  answering(gateway);
  const silent = await silentClient(gateway);
  const slow = await silentClient(gateway);
  const startedMs = performance.now();
  let read = 0;
  for await (const chunk of slow) {
    read += (chunk as Buffer).length;
    if (read > 15 * MIB) break;
    await systemClock.sleep(10);
  }
  assert.ok(read > 15 * MIB, `the slow client got ${read} bytes`);
  await systemClock.sleep(3 * SHORT_STALL_MS - (performance.now() - startedMs));
  let got = 0;
  for await (const chunk of silent) got += (chunk as Buffer).length;
  assert.ok(got < 15 * MIB, "the rest of the answer was not sent");
});
