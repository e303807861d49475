import { keyOf, tableId } from "../../../lib/tables.ts";
import { uuidv7 } from "uuidv7";
import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { guardedTail, type OnUnreadable } from "../../../lib/event-log/guarded-tail.ts";
import { commandResults, commands } from "../../../lib/messages/avro.ts";
import type { CommandKind, CommandResult } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { GatewayMetrics } from "../metrics.ts";

/** Sends commands to the tables' writers and waits for their results. */
export interface CommandClient {
  /**
   * Publishes a command and resolves with its result.
   * @throws WAIT_TIMEOUT without a result in time (the command stays pending), OVERLOADED if too many
   *   requests wait
   */
  request(
    table: string,
    kind: CommandKind,
    options: { reason: string; timeoutMs: number; args?: object },
  ): Promise<CommandResult>;
  /** @throws MESSAGE_TOO_NEW */
  assertReadable(): void;
  close(): Promise<void>;
}

const PENDING_MAX = 1_000;

export async function openCommandClient(
  log: EventLog,
  clock: Clock,
  throughput: Pick<GatewayMetrics["throughput"], "sent">,
  onUnreadable: OnUnreadable,
): Promise<CommandClient> {
  const pending = new Map<string, (result: CommandResult) => void>();
  const onResult = ({ value }: LogRecord): void => {
    const result = commandResults.decode(value);
    pending.get(result.commandId)?.(result);
  };
  const tail = await guardedTail(log, [TOPICS.commandResults.name], onResult, onUnreadable);
  return {
    async request(table, kind, { reason, timeoutMs, args = {} }) {
      if (pending.size >= PENDING_MAX)
        throw new TributaryError("OVERLOADED", `${PENDING_MAX} commands are already pending`);
      const commandId = uuidv7();
      const settled = new AbortController();
      const received = new Promise<CommandResult>((resolve) => pending.set(commandId, resolve));
      try {
        const command = {
          commandId,
          table,
          kind,
          reason,
          requestedAtMs: clock.nowMs(),
          argumentsJson: JSON.stringify(args),
        };
        await log.publish(TOPICS.commands.name, [{ key: keyOf(tableId(table)), value: commands.encode(command) }]);
        throughput.sent("command");
        const timeout = clock.sleep(timeoutMs, settled.signal).then(() => undefined);
        const result = await Promise.race([received, timeout]);
        if (result) return result;
        throw new TributaryError(
          "WAIT_TIMEOUT",
          `${kind} of '${table}' (${commandId}) did not finish within ${timeoutMs} ms`,
        );
      } finally {
        settled.abort();
        pending.delete(commandId);
      }
    },
    assertReadable: () => tail.assertReadable(),
    close: () => tail.close(),
  };
}
