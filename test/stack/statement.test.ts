import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { statement } from "../../scripts/stack/statement.ts";

/** A server that answers each statement with the next of `pages`. */
async function answering(pages: object[], run: (trino: string) => Promise<void>): Promise<void> {
  const server = createServer((_, response) => response.end(JSON.stringify(pages.shift())));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

const failure = (errorName: string): object => ({ error: { errorName, message: "told by Trino" } });

test("a statement waits for Trino's node to register again", () =>
  answering([failure("NO_NODES_AVAILABLE"), { data: [[1]] }], async (trino) => {
    assert.deepEqual(await statement(trino, "SELECT 1"), [[1]]);
  }));

test("a statement fails with Trino's own error at once", () =>
  answering([failure("SYNTAX_ERROR"), { data: [[1]] }], async (trino) => {
    await assert.rejects(statement(trino, "SELEC 1"), /SELEC 1: SYNTAX_ERROR: told by Trino/);
  }));
