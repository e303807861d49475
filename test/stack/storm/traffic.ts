import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { systemClock } from "../../../lib/clock.ts";
import { newContent, TABLES, type Content, type StormTable } from "./tables.ts";

/** What was sent, and the responses to the senders. */
export interface Sent {
  /** Every content that may have arrived, by hash. */
  readonly contents: Map<string, Content>;
  /** Ids of the files that were accepted. */
  readonly accepted: Set<string>;
  /**
   * The newest content of each drop with a confirmed put; null: deleted. Absent: the last response was lost.
   */
  readonly drops: Map<string, Content | null>;
  /** Ids of files for which a cancel may have arrived. */
  readonly cancelled: Set<string>;
  /** Requests without a response or with a retryable error. */
  refused: number;
  sent: number;
  /** Responses that are never allowed. */
  readonly unexpected: string[];
}

export interface TrafficOptions {
  gateway: string;
  drops: BlobStore;
  random: () => number;
  /** Number of concurrent senders. */
  senders: number;
  signal: AbortSignal;
}

const REQUEST_MS_MAX = 20_000;
const REPLAYED_MS = 15_000;
/** Of the files with so many rows, which load by plans. */
const CANCELLED_SHARE = 0.2;
const CANCELLED_ROWS_MIN = 1_000;
const CANCEL_AFTER_MS_MAX = 3_000;

/** Sends files, drops, deletions, cancels, replays and maintenance without a pause until stopped. */
export async function sendTraffic(options: TrafficOptions): Promise<Sent> {
  const sent: Sent = {
    contents: new Map(),
    accepted: new Set(),
    drops: new Map(),
    cancelled: new Set(),
    refused: 0,
    sent: 0,
    unexpected: [],
  };
  await Promise.all(Array.from({ length: options.senders }, (_, sender) => sendAsOne(options, sent, sender)));
  return sent;
}

async function sendAsOne(options: TrafficOptions, sent: Sent, sender: number): Promise<void> {
  const { random, signal } = options;
  for (let n = 0; !signal.aborted; n++) {
    const table = TABLES[Math.floor(random() * TABLES.length)]!;
    const content = newContent(table, sender, `s${sender}-${n}`, random);
    sent.sent += 1;
    try {
      if (table.dropped) await drop(options, sent, content);
      else if (random() < 0.02) await replay(options, table);
      else if (random() < 0.02) await optimize(options, table);
      else if (random() < 0.1) await uploadToEach(options, sent, { sender, n });
      else await upload(options, sent, content);
    } catch {
      sent.refused += 1;
    }
    await systemClock.sleep(50 + random() * 250, signal);
  }
}

/** A file for each table at once: their lanes are due together, and share a transaction. */
async function uploadToEach(
  options: TrafficOptions,
  sent: Sent,
  { sender, n }: { sender: number; n: number },
): Promise<void> {
  const tables = TABLES.filter(({ dropped }) => !dropped);
  const contents = tables.map((table) => newContent(table, sender, `s${sender}-${n}-${table.name}`, options.random));
  sent.sent += contents.length - 1;
  const uploads = await Promise.allSettled(contents.map((content) => upload(options, sent, content)));
  sent.refused += uploads.filter(({ status }) => status === "rejected").length;
}

async function upload(options: TrafficOptions, sent: Sent, content: Content): Promise<void> {
  const { gateway, random, signal } = options;
  sent.contents.set(content.hash, content);
  const url = `${gateway}/v1/tables/${content.table}/files/${content.file}`;
  const response = await fetch(url, {
    method: "PUT",
    body: content.text,
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  });
  const answer = (await response.json()) as { fileId?: string; repeated?: boolean };
  // 200: files without rows are alike, so the newest version may have this content.
  const isTaken = response.status === 202 || (response.status === 200 && answer.repeated === true);
  if (isTaken && answer.fileId !== undefined) {
    sent.accepted.add(answer.fileId);
    if (content.rows.length < CANCELLED_ROWS_MIN || random() >= CANCELLED_SHARE) return;
    await systemClock.sleep(random() * CANCEL_AFTER_MS_MAX, signal);
    sent.cancelled.add(answer.fileId);
    await post(`${gateway}/v1/files/${answer.fileId}/cancel`, {});
  } else if (response.status === 503 || response.status === 429 || response.status === 507) sent.refused += 1;
  else sent.unexpected.push(`${url} responded with status ${response.status}: ${JSON.stringify(answer)}`);
}

async function drop({ drops, random }: TrafficOptions, sent: Sent, content: Content): Promise<void> {
  const key = `${content.table}/${content.file}`;
  sent.drops.delete(key);
  if (random() < 0.1) {
    await drops.delete(key);
    sent.drops.set(key, null);
    return;
  }
  sent.contents.set(content.hash, content);
  await drops.put(key, Buffer.from(content.text));
  sent.drops.set(key, content);
}

/** Replays only the last seconds, because each full replay would be larger than the previous one. */
async function replay({ gateway }: TrafficOptions, table: StormTable): Promise<void> {
  const time = new Date(systemClock.nowMs() - REPLAYED_MS).toISOString();
  await post(`${gateway}/v1/tables/${table.name}/replay`, { from: { time } });
}

/** Runs maintenance concurrently with commits, kills and freezes. */
async function optimize({ gateway }: TrafficOptions, table: StormTable): Promise<void> {
  await post(`${gateway}/v1/tables/${table.name}/maintenance/run`, { operations: ["optimize"] });
}

async function post(url: string, body: object): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  });
  await response.text();
}
