/** The checks of `npm run compose:smoke`. Each throws what is wrong, or returns what it found. */
import { Readable } from "node:stream";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { openBlobStore } from "../../lib/blob/open.ts";
import { systemClock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import { containersOf, jsonOf, type Place } from "./place.ts";

interface FileAnswer {
  fileId: string;
  sourceFile: string;
  status: string;
  rowsCommitted: number | null;
}

/** Rows of each file that the checks send. */
const FILE_ROWS = 1_000;
const EVERY_MS = 500;
/** A restarted service, or a target's next scrape. */
const PATIENCE_MS = 120_000;

export interface Smoke {
  place: Place;
  /** A table of this run. */
  table: string;
  /** Files sent so far. */
  files: number;
}

const csv = (file: number): { type: "text/csv"; text: string } => {
  const rows = Array.from({ length: FILE_ROWS }, (_, row) => `${file * FILE_ROWS + row},name ${row},${row / 4}`);
  return { type: "text/csv", text: ["id,name,amount", ...rows].join("\n") + "\n" };
};

/** Calls `ask` until it returns, and throws its last failure after PATIENCE_MS. */
async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  const sinceMs = systemClock.monotonicMs();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (systemClock.monotonicMs() - sinceMs > PATIENCE_MS) throw error;
      await systemClock.sleep(EVERY_MS);
    }
  }
}

/** All containers run and are healthy, and the jobs have ended well. */
export async function containers({ place }: Smoke): Promise<string> {
  const all = await eventually(async () => {
    const found = await containersOf(place);
    if (found.length === 0) throw new Error("no container runs: docker compose up -d --wait");
    const bad = found.filter(({ state, health }) => (state === "running" ? health !== "healthy" : state !== "exited"));
    if (bad.length > 0) throw new Error(bad.map((one) => `${one.service}: ${one.state} ${one.health}`).join(", "));
    return found;
  });
  const running = all.filter(({ state }) => state === "running");
  return `${running.length} healthy, ${all.length - running.length} jobs done`;
}

/** The gateway answers only with a key. */
export async function keys({ place }: Smoke): Promise<string> {
  const { status } = await fetch(`${place.urlOf("GATEWAY_PORT")}/v1/tables`);
  if (status !== 401) throw new Error(`a request without a key was answered with status ${status}`);
  await place.gateway("GET", "/v1/tables");
  return "401 without a key, 200 with it";
}

async function expectRows({ place, table, files }: Smoke): Promise<string> {
  const rows = files * FILE_ROWS;
  const sql = `SELECT count(*), count(DISTINCT id) FROM ${table}`;
  const body = { type: "application/json", text: JSON.stringify({ sql }) } as const;
  const answer = await place.gateway<{ rows: (string | number)[][] }>("POST", "/v1/query", body);
  const [counted, ids] = answer.rows[0]!.map(Number);
  if (counted !== rows || ids !== rows) throw new Error(`${table} has ${counted} rows, ${ids} ids; expected ${rows}`);
  return `${rows} rows`;
}

/** A file over HTTP is committed, and a query sees exactly its rows. */
export async function upload(smoke: Smoke): Promise<string> {
  const { place, table } = smoke;
  const path = `/v1/tables/${table}/files/upload-${smoke.files}.csv?wait=committed&timeout=2m`;
  const file = await place.gateway<FileAnswer>("PUT", path, csv(smoke.files));
  if (file.status !== "committed") throw new Error(`${file.sourceFile} is ${file.status}`);
  smoke.files++;
  return expectRows(smoke);
}

const dropStore = ({ env, urlOf }: Place): Promise<BlobStore> =>
  openBlobStore(`s3://${env("BUCKET_DROPS")}`, {
    s3: {
      endpoint: urlOf("S3_PORT"),
      region: env("S3_REGION"),
      accessKey: env("S3_ACCESS_KEY"),
      secretKey: env("S3_SECRET_KEY"),
    },
  });

/** An object in the drop bucket is committed without a request. */
export async function drop(smoke: Smoke): Promise<string> {
  const { place, table } = smoke;
  const drops = await dropStore(place);
  await drops.put(`${table}/drop-${smoke.files}.csv`, Readable.from(csv(smoke.files).text));
  await drops.close();
  smoke.files++;
  return eventually(() => expectRows(smoke));
}

/** The REST catalog names the table, if Tributary writes to it. */
export async function catalog({ place, table }: Smoke): Promise<string> {
  if (place.env("TRINO_CATALOG") !== "rest") return "not used: TRINO_CATALOG is not rest";
  const url = place.urlOf("CATALOG_PORT");
  const form = {
    grant_type: "client_credentials",
    client_id: place.env("S3_ACCESS_KEY"),
    client_secret: place.env("S3_SECRET_KEY"),
  };
  const login = { method: "POST", body: new URLSearchParams(form) };
  const { access_token: token } = await jsonOf<{ access_token: string }>(`${url}/v1/oauth/tokens`, login);
  const headers = { authorization: `Bearer ${token}` };
  const { overrides, defaults } = await jsonOf<Record<"overrides" | "defaults", { prefix?: string }>>(
    `${url}/v1/config?warehouse=${place.env("BUCKET_TABLES")}`,
    { headers },
  );
  const prefix = overrides.prefix ?? defaults.prefix ?? "";
  const path = `${url}/v1/${prefix === "" ? "" : `${prefix}/`}namespaces/lakehouse/tables`;
  const { identifiers } = await jsonOf<{ identifiers: { name: string }[] }>(path, { headers });
  if (!identifiers.some(({ name }) => name === table)) throw new Error(`${table} is not among ${path}`);
  return `${identifiers.length} tables in ${url}`;
}

/** One more parser starts, and no other container is touched. */
export async function scale(smoke: Smoke): Promise<string> {
  const { place } = smoke;
  const before = await startedOf(place);
  const parsers = [...before.values()].filter(({ service }) => service === "parser").length;
  const scaleTo = (count: number) => place.compose("up", "--detach", "--wait", "--scale", `parser=${count}`);
  const sinceMs = systemClock.monotonicMs();
  await scaleTo(parsers + 1);
  const tookMs = systemClock.monotonicMs() - sinceMs;
  try {
    const after = await startedOf(place);
    for (const [id, { service, at }] of before)
      if (after.get(id)?.at !== at) throw new Error(`${service} was started again`);
    if (after.size !== before.size + 1) throw new Error(`${after.size - before.size} containers more, not 1`);
    await upload(smoke);
  } finally {
    await scaleTo(parsers);
  }
  return `${parsers + 1} parsers after ${(tookMs / 1_000).toFixed(1)} s, nothing else started`;
}

/** Running containers, and when each was started. */
async function startedOf(place: Place): Promise<Map<string, { service: string; at: string }>> {
  const running = (await containersOf(place)).filter(({ state }) => state === "running");
  const lines = await Promise.all(
    running.map(async ({ id, service }) => [id, { service, at: await place.startedAt(id) }] as const),
  );
  return new Map(lines);
}

/** A restarted committer loses nothing and repeats nothing. */
export async function restart(smoke: Smoke): Promise<string> {
  const { place, table } = smoke;
  await place.gateway("PUT", `/v1/tables/${table}/files/restart-${smoke.files}.csv`, csv(smoke.files));
  const sinceMs = systemClock.monotonicMs();
  await place.compose("restart", "committer");
  smoke.files++;
  const found = await eventually(() => expectRows(smoke));
  return `${found} ${((systemClock.monotonicMs() - sinceMs) / 1_000).toFixed(1)} s after the restart began`;
}

/** Prometheus reaches its targets and has the rules; Alertmanager has the watchdog. */
export async function monitoring({ place }: Smoke): Promise<string> {
  if (!(await containersOf(place)).some(({ service }) => service === "prometheus")) return "does not run";
  const prometheus = place.urlOf("PROMETHEUS_PORT");
  const up = await eventually(async () => {
    const { data } = await jsonOf<{ data: { activeTargets: { health: string; labels: { job: string } }[] } }>(
      `${prometheus}/api/v1/targets?state=active`,
    );
    const down = data.activeTargets.filter(({ health }) => health !== "up").map(({ labels }) => labels.job);
    if (down.length > 0) throw new Error(`targets not up: ${down.join(", ")}`);
    return data.activeTargets.length;
  });
  const { data } = await jsonOf<{ data: { groups: { rules: { health: string; name: string }[] }[] } }>(
    `${prometheus}/api/v1/rules`,
  );
  const rules = data.groups.flatMap((group) => group.rules);
  const faulty = rules.filter(({ health }) => health === "err").map(({ name }) => name);
  if (rules.length === 0 || faulty.length > 0) throw new Error(`${rules.length} rules, faulty: ${faulty.join(", ")}`);
  await eventually(async () => {
    const alerts = await jsonOf<{ labels: { alertname: string } }[]>(
      `${place.urlOf("ALERTMANAGER_PORT")}/api/v2/alerts`,
    );
    if (!alerts.some(({ labels }) => labels.alertname === "Watchdog")) throw new Error("Alertmanager has no Watchdog");
  });
  return `${up} targets up, ${rules.length} rules, the watchdog arrives`;
}

/** Superset has a dataset for the table. */
export async function superset({ place, table }: Smoke): Promise<string> {
  if (!(await containersOf(place)).some(({ service }) => service === "superset")) return "does not run";
  const url = `${place.urlOf("SUPERSET_PORT")}/api/v1`;
  const login = {
    username: place.env("SUPERSET_ADMIN_USER"),
    password: place.env("SUPERSET_ADMIN_PASSWORD"),
    provider: "db",
  };
  const { access_token: token } = await jsonOf<{ access_token: string }>(`${url}/security/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(login),
  });
  const filters = encodeURIComponent(JSON.stringify({ filters: [{ col: "table_name", opr: "eq", value: table }] }));
  const headers = { authorization: `Bearer ${token}` };
  await eventually(async () => {
    const { count } = await jsonOf<{ count: number }>(`${url}/dataset/?q=${filters}`, { headers });
    if (count !== 1) throw new Error(`Superset has ${count} datasets for ${table}`);
  });
  return `a dataset for ${table}`;
}

/** Removes what this run made. */
export async function cleanUp({ place, table, files }: Smoke): Promise<void> {
  const drops = await dropStore(place);
  try {
    for (let file = 0; file < files; file++) await drops.delete(`${table}/drop-${file}.csv`);
    await place.gateway("DELETE", `/v1/tables/${table}?confirm=${table}&reason=smoke%20test`);
  } catch (error) {
    process.stderr.write(`cannot remove ${table}: ${messageOf(error)}\n`);
  }
  await drops.close();
}
