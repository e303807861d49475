import { uuidv7 } from "uuidv7";
import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog, Tail } from "../../../lib/event-log/event-log.ts";
import { commandResults, commands } from "../../../lib/messages/avro.ts";
import type { CommandKind, CommandResult } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { GatewayMetrics } from "../metrics.ts";

/** Asks the tables' writers for something and waits for their answer. */
export interface CommandClient {
  /**
   * Publishes a command and resolves with its result.
   * @throws WAIT_TIMEOUT when none came in time (the command stays asked for), OVERLOADED when too many wait
   */
  request(
    table: string,
    kind: CommandKind,
    options: { reason: string; timeoutMs: number; args?: object },
  ): Promise<CommandResult>;
  close(): Promise<void>;
}

const ASKED_MAX = 1_000;

export async function openCommandClient(
  log: EventLog,
  clock: Clock,
  flow: Pick<GatewayMetrics["throughput"], "sent">,
): Promise<CommandClient> {
  const asked = new Map<string, (result: CommandResult) => void>();
  const tail: Tail = await log.tail([TOPICS.commandResults.name], ({ value }) => {
    const result = commandResults.decode(value);
    asked.get(result.commandId)?.(result);
  });
  return {
    async request(table, kind, { reason, timeoutMs, args = {} }) {
      if (asked.size >= ASKED_MAX)
        throw new TributaryError("OVERLOADED", `${ASKED_MAX} commands are waited for already`);
      const commandId = uuidv7();
      const answered = new AbortController();
      const answer = new Promise<CommandResult>((resolve) => asked.set(commandId, resolve));
      try {
        const command = {
          commandId,
          table,
          kind,
          reason,
          requestedAtMs: clock.nowMs(),
          argumentsJson: JSON.stringify(args),
        };
        await log.publish(TOPICS.commands.name, [{ key: table, value: commands.encode(command) }]);
        flow.sent("command");
        const late = clock.sleep(timeoutMs, answered.signal).then(() => undefined);
        const result = await Promise.race([answer, late]);
        if (result) return result;
        throw new TributaryError(
          "WAIT_TIMEOUT",
          `${kind} of '${table}' (${commandId}) was not carried out within ${timeoutMs} ms`,
        );
      } finally {
        answered.abort();
        asked.delete(commandId);
      }
    },
    close: () => tail.close(),
  };
}
