/**
 * Hostile files through the running pipeline, one after the other: each ends with the expected rows and
 * rejects, or with one clear error; counts add up; no process crashes; and the table accepts the next file.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startTributary, type TributaryProcess } from "../../scripts/tributary-process.ts";
import { until } from "../support/until.ts";
import { HOSTILE_FILES, type HostileFile, type TakenFile } from "./hostile-file-cases.ts";

let tributary: TributaryProcess;
let folder: string;

const tableOf = (index: number): string => `t${index}`;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-hostile-"));
  const contracts = join(folder, "contracts");
  mkdirSync(contracts);
  // The file after the hostile one may have other columns.
  HOSTILE_FILES.forEach(({ contract = "accept: { newColumns: load }" }, index) => {
    writeFileSync(join(contracts, `${tableOf(index)}.yml`), `table: ${tableOf(index)}\n${contract}\n`);
  });
  tributary = await startTributary(join(folder, "data"), {
    TRIBUTARY_CONTRACTS_DIR: contracts,
    TRIBUTARY_EXPANDED_BYTES_MAX: "50MB",
    TRIBUTARY_DISK_FREE_MIN: "1MB",
  });
});

after(async () => {
  assert.equal(await tributary.stop(), 0, "drains and exits cleanly");
  assert.doesNotMatch(tributary.log(), /"level":(50|60)/, "no error was logged");
  rmSync(folder, { recursive: true, force: true });
});

interface FileStatus {
  fileId: string;
  sourceFile: string;
  status: string;
  rowsRead: number;
  rowsCommitted: number;
  rowsRejected: number;
  columns: { name: string; type: string }[] | null;
}

interface Problem {
  status: number;
  code: string;
  detail: string;
  remedy: string;
  file?: FileStatus;
}

interface Answer {
  http: number;
  body: Record<string, unknown>;
}

async function put(
  table: string,
  { file = "f.csv", body, query = "", headers = {} }: Partial<HostileFile>,
): Promise<Answer> {
  const wait = `${query === "" ? "?" : `${query}&`}wait=committed&timeout=120s`;
  const url = `${tributary.url}/v1/tables/${table}/files/${file}${wait}`;
  const response = await fetch(url, { method: "PUT", body: body!, headers });
  return { http: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function select(sql: string): Promise<unknown[][]> {
  const response = await fetch(`${tributary.url}/v1/query`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql, rowsMax: 10_000 }),
  });
  const answer = (await response.json()) as { rows?: unknown[][] };
  assert.ok(answer.rows, `${sql}: ${JSON.stringify(answer)}`);
  return answer.rows;
}

const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

describe("hostile files", () => {
  HOSTILE_FILES.forEach((hostile, index) => {
    test(hostile.name, { timeout: 300_000 }, async () => {
      const table = tableOf(index);
      for (const [n, body] of (hostile.before ?? []).entries()) {
        assert.equal((await put(table, { file: n === 0 ? "f.csv" : `${n}.csv`, body })).http, 200);
      }
      const { http, body } = await put(table, hostile);
      const { want } = hostile;
      if ("rows" in want) await checkTaken(table, http, body as unknown as FileStatus, want);
      else {
        const problem = body as unknown as Problem;
        assert.deepEqual([http, problem.code], ["http" in want ? want.http : 422, want.code], problem.detail);
        assert.match(problem.detail, want.message);
        assert.ok(problem.remedy.length > 10, "has a remedy");
        if (problem.file) await checkCounts(table, problem.file);
      }
      const next = await put(table, { file: "next.csv", body: hostile.good ?? "pulse\n1\n" });
      assert.deepEqual(
        [next.http, next.body["rowsCommitted"]],
        [200, 1],
        `the table accepts the next file: ${JSON.stringify(next.body).slice(0, 400)}`,
      );
    });
  });
});

async function checkTaken(table: string, http: number, status: FileStatus, want: TakenFile): Promise<void> {
  const { rows, columns, rejects = [] } = want;
  const all = typeof rows === "number" ? rows : rows.length;
  const expected = all === 0 && rejects.length > 0 ? "rejected" : "committed";
  const file = http === 200 ? status : (status as unknown as Problem).file!;
  assert.equal(file?.status, expected, JSON.stringify(status).slice(0, 500));
  await checkCounts(table, file);
  assert.deepEqual([file.rowsCommitted, file.rowsRejected], [all, rejects.length]);
  if (columns)
    assert.deepEqual(
      file.columns!.map(({ name, type }) => `${name} ${type}`),
      columns,
    );
  if (typeof rows !== "number" && rows.length > 0) {
    const names = file.columns!.map(({ name }) => `"${name}"`).join(", ");
    const source = `_source_file = ${sqlText(file.sourceFile)}`;
    assert.deepEqual(await select(`SELECT ${names} FROM ${table} WHERE ${source} ORDER BY _source_row`), rows);
  }
  const found = await select(
    `SELECT line, column_name, reason FROM _rejected_rows WHERE file_id = '${file.fileId}' ORDER BY source_row`,
  );
  assert.deepEqual(found, rejects.slice(0, found.length));
}

/**
 * Checks rows read = rows committed + rows rejected in the status, the ledger, the table and _rejected_rows.
 */
async function checkCounts(table: string, { fileId, sourceFile, ...status }: FileStatus): Promise<void> {
  assert.equal(status.rowsRead, status.rowsCommitted + status.rowsRejected);
  const counts = [status.rowsRead, status.rowsCommitted, status.rowsRejected];
  const ledger = await until("the file is recorded", async () => {
    const where = `WHERE file_id = '${fileId}'`;
    const [row] = await select(`SELECT rows_read, rows_committed, rows_rejected FROM _ingest_files ${where}`);
    return row;
  });
  assert.deepEqual(ledger, counts);
  assert.deepEqual(await select(`SELECT count(*) FROM _rejected_rows WHERE file_id = '${fileId}'`), [
    [status.rowsRejected],
  ]);
  if (status.status !== "committed") return;
  assert.deepEqual(await select(`SELECT count(*) FROM ${table} WHERE _source_file = ${sqlText(sourceFile)}`), [
    [status.rowsCommitted],
  ]);
}
