import { finished, Readable } from "node:stream";
import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { App } from "./deps.ts";

const KIB = 1024;
/** An answer of at most this size is not counted: errors and states always reach the client. */
const SMALL_BYTES = 64 * KIB;
const PIECE_BYTES = 64 * KIB;
/** All answers together that clients have not read yet. */
const UNREAD_BYTES_MAX = 64 * KIB * KIB;
/** A client that reads fewer bytes than this within STALL_MS is disconnected. */
const STALL_BYTES = 256 * KIB;
const STALL_MS = 60_000;

/**
 * Limits the memory of answers that clients do not read. An answer is kept as bytes, counted until it is
 * sent or the client is gone, and sent in pieces. If too many bytes are unread, further large answers are
 * refused (OVERLOADED). A client that stops reading is disconnected.
 */
export function limitUnread(app: App, { clock, logger }: { clock: Clock; logger: Logger }): void {
  let unreadBytes = 0;
  app.addHook("onSend", async ({ method, id, routeOptions }, reply, payload) => {
    if (method === "HEAD" || !(typeof payload === "string" || Buffer.isBuffer(payload))) return payload;
    if (payload.length <= SMALL_BYTES / 4) return payload;
    const bytes = Buffer.from(payload as string);
    if (bytes.length <= SMALL_BYTES) return bytes;
    if (unreadBytes > 0 && unreadBytes + bytes.length > UNREAD_BYTES_MAX) {
      const message = `${unreadBytes} bytes of answers wait for clients to read them: no room for ${bytes.length} more`;
      throw new TributaryError("OVERLOADED", message);
    }
    unreadBytes += bytes.length;
    const ended = new AbortController();
    finished(reply.raw, () => {
      unreadBytes -= bytes.length;
      ended.abort();
    });
    reply.header("content-length", bytes.length);
    const sent = { bytes: 0 };
    void stalled(sent, clock, ended.signal).then((isStalled) => {
      if (!isStalled) return;
      const fields = { requestId: id, route: routeOptions.url, bytes: bytes.length, sentBytes: sent.bytes };
      logger.warn(fields, "client disconnected: it does not read its answer");
      reply.raw.destroy();
    });
    return Readable.from(piecesOf(bytes, sent));
  });
}

function* piecesOf(bytes: Buffer, sent: { bytes: number }): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES);
    sent.bytes = Math.min(bytes.length, at + PIECE_BYTES);
  }
}

/** Resolves to true when the client reads too slowly, and to false when the answer has ended. */
async function stalled(sent: { readonly bytes: number }, clock: Clock, ended: AbortSignal): Promise<boolean> {
  for (;;) {
    const before = sent.bytes;
    await clock.sleep(STALL_MS, ended);
    if (ended.aborted) return false;
    if (sent.bytes - before < STALL_BYTES) return true;
  }
}
