/** A contract that changes while Tributary runs, in one process as in production. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startTributary, type TributaryProcess } from "../../scripts/tributary-process.ts";
import { until } from "../support/until.ts";

interface Table {
  rowCount: number | null;
  contract: { writeMode?: string };
  contractFault: { faults: string[]; inForce: boolean } | null;
}

const UPSERT = "table: t\nwriteMode: upsert\nkey: [id]\n";

async function upload(
  { url }: TributaryProcess,
  table: string,
  name: string,
): Promise<{ status: number; text: string }> {
  const path = `${url}/v1/tables/${table}/files/${name}?wait=committed&timeout=30s`;
  const response = await fetch(path, { method: "PUT", body: "id,v\n1,a\n2,b\n" });
  return { status: response.status, text: await response.text() };
}

test("a changed contract counts without a restart, a faulty one does not and stops no other table", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-contracts-"));
  const contracts = join(folder, "contracts");
  const write = (name: string, text: string): void => writeFileSync(join(contracts, `${name}.yml`), text);
  mkdirSync(contracts);
  write("t", UPSERT);
  write("broken", "table: broken\nwriteMode: upsert\n");
  const env = { TRIBUTARY_CONTRACTS_DIR: contracts, TRIBUTARY_LOG_LEVEL: "info" };
  const server = await startTributary(join(folder, "data"), env);
  t.after(async () => {
    await server.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  const table = async (name: string): Promise<Table> =>
    (await (await fetch(`${server.url}/v1/tables/${name}`)).json()) as Table;

  assert.ok(server.log().includes(`1 contract from ${contracts}`), server.log());
  assert.equal((await upload(server, "t", "a.csv")).status, 200);
  assert.equal((await upload(server, "t", "b.csv")).status, 200);
  assert.equal((await table("t")).rowCount, 2, "the second file updates the rows of the first");
  const refused = await upload(server, "broken", "a.csv");
  assert.equal(refused.status, 409);
  assert.match(refused.text, /CONTRACT_INVALID.*broken\.yml:1:1: key: writeMode upsert needs a key/s);
  assert.equal((await table("broken")).contractFault?.inForce, false);

  write("t", "table: t\nwriteMode: append\n");
  write("broken", "table: broken\n");
  await until("append", async () => (await table("t")).contract.writeMode === "append");
  await until("the corrected contract", async () => (await table("broken")).contractFault === null);
  assert.equal((await upload(server, "t", "c.csv")).status, 200);
  assert.equal((await table("t")).rowCount, 4, "the third file is appended");
  assert.equal((await upload(server, "broken", "a.csv")).status, 200);

  write("t", "table: t\nwriteMode: upsrt\n");
  await until("the fault", async () => (await table("t")).contractFault !== null);
  const { contract, contractFault } = await table("t");
  assert.deepEqual([contract.writeMode, contractFault?.inForce], ["append", true]);
  assert.match(server.log(), /THE EARLIER CONTRACT STAYS IN FORCE/);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^tributary_contracts_faulty 1$/m);

  assert.equal((await upload(server, "late", "a.csv")).status, 200, "a table without a contract");
  write("late", "table: late\nwriteMode: upsert\n");
  await until("the fault of a first contract", async () => (await table("late")).contractFault?.inForce === false);
  const waiting = await upload(server, "late", "b.csv");
  assert.deepEqual([waiting.status, /CONTRACT_INVALID/.test(waiting.text)], [409, true], "not by the default contract");
  write("late", "table: late\nwriteMode: append\n");
  await until("the first contract", async () => (await table("late")).contract?.writeMode === "append");
  assert.equal((await upload(server, "late", "b.csv")).status, 200);
  assert.equal((await table("late")).rowCount, 4);
});
