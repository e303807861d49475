import { keyOf, tableId } from "../../lib/tables.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { codeOf, messageOf } from "../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../lib/event-log/event-log.ts";
import { commandResults, commands, commitEvents } from "../../lib/messages/avro.ts";
import type { Command } from "../../lib/messages/generated.ts";
import { guardedTail } from "../../lib/event-log/guarded-tail.ts";
import { reportUnreadable } from "../../lib/observability/unreadable.ts";
import { prepareTopics } from "../../lib/event-log/prepare-topics.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import { countChecks, emptyQuality, foldChecks, heldBackSeconds, type Quality } from "./check-status.ts";
import type { SchedulerSettings } from "./config.ts";
import { latestSlot } from "./cron.ts";
import { maintenanceDue, type Due } from "./maintenance-policy.ts";
import { schedulerMetrics, type SCHEDULER_THROUGHPUT } from "./metrics.ts";
import { checksDue, ungateDue } from "./quality-policy.ts";
import { emptyHealth, foldCommand, foldHealthCommit, foldResult, type Health } from "./table-health.ts";

export interface SchedulerDeps {
  log: EventLog;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: SchedulerSettings;
}

const FOLDED = [TOPICS.commits, TOPICS.commands, TOPICS.commandResults].map(({ name }) => name);

/**
 * Reads commits, commands, command-results and the clock, and publishes commands. It stores no state: each
 * start rebuilds it from the log. Any number of schedulers may run, because a command's id is derived from
 * its cause and a committer runs each id once.
 */
export async function startScheduler(deps: SchedulerDeps): Promise<Service> {
  const { log, clock, logger, settings } = deps;
  await prepareTopics(log, Object.values(TOPICS));
  const metrics = schedulerMetrics(deps.registry);
  const health = emptyHealth();
  const quality = emptyQuality();
  const sinceMs = clock.nowMs();
  const stopping = new AbortController();
  let lastFailure: unknown;
  let closed: Promise<void> | undefined;

  const onRecord = (record: LogRecord): void => {
    fold(health, quality, record);
    metrics.throughput.received(record.topic as keyof typeof SCHEDULER_THROUGHPUT.received);
  };
  const tail = await guardedTail(log, FOLDED, onRecord, reportUnreadable(logger, metrics.throughput));

  const request = async (table: string, { commandId, kind, cause, reason }: Due): Promise<void> => {
    const command: Command = { commandId, table, kind, reason, requestedAtMs: clock.nowMs(), argumentsJson: "{}" };
    await log.publish(TOPICS.commands.name, [{ key: keyOf(tableId(table)), value: commands.encode(command) }]);
    foldCommand(health, command);
    metrics.commands.inc({ kind, cause });
    metrics.throughput.sent("command");
    logger.info(command, "command requested");
  };

  const tick = async (): Promise<void> => {
    await tail.caughtUp();
    for (const [table, due] of allDue(health, quality, deps, sinceMs)) for (const one of due) await request(table, one);
    metrics.tables.set(health.size);
    metrics.heldBackSeconds.reset();
    for (const { table, checks, gate } of deps.contracts.declared()) {
      const names = checks.map(({ name }) => name);
      for (const [status, n] of countChecks(quality, table, names)) metrics.checks.set({ table, status }, n);
      if (gate === "block") metrics.heldBackSeconds.set({ table }, heldBackSeconds(quality, table, clock.nowMs()));
    }
  };

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await tick();
        lastFailure = undefined;
      } catch (thrown) {
        lastFailure = thrown;
        logger.warn({ err: thrown }, `scheduling failed: ${messageOf(thrown)}`);
        metrics.throughput.error(codeOf(thrown));
      }
      await clock.sleep(settings.tickMs, stopping.signal);
    }
  };
  const running = loop();

  return {
    async ready() {
      tail.assertReadable();
      await log.ready();
      if (lastFailure === undefined) return;
      throw new Error(`scheduling fails: ${messageOf(lastFailure)}`, { cause: lastFailure });
    },
    async drain() {
      stopping.abort();
      await running;
      await (closed ??= tail.close());
    },
  };
}

function fold(health: Health, quality: Quality, { topic, value }: LogRecord): void {
  if (topic === TOPICS.commits.name) return foldHealthCommit(health, commitEvents.decode(value));
  if (topic === TOPICS.commands.name) return foldCommand(health, commands.decode(value));
  const result = commandResults.decode(value);
  foldResult(health, result);
  foldChecks(quality, result);
}

/** Every table with its due commands. */
function allDue(
  health: Health,
  quality: Quality,
  { contracts, clock, settings }: SchedulerDeps,
  sinceMs: number,
): [string, Due[]][] {
  const nowMs = clock.nowMs();
  const maintenance = { nowMs, sinceMs, slotMs: latestSlot(settings.maintenanceCron, nowMs) };
  const checks = { nowMs, sinceMs, slotMs: latestSlot(settings.checksCron, nowMs) };
  const declared = new Map(contracts.declared().map((contract) => [contract.table, contract]));
  const faulty = new Set(contracts.faults().map(({ table }) => table));
  return [...health].map(([table, known]) => {
    const contract = declared.get(table);
    // The contract of a faulty file is not known.
    const isGated = contract ? contract.gate === "block" : faulty.has(table);
    const hadGate = { isGated: quality.heldBackSinceMs.has(table), nowMs };
    return [
      table,
      [
        ...maintenanceDue(table, known, maintenance, settings),
        ...(contract ? checksDue(contract, known, checks, settings) : []),
        ...(isGated ? [] : ungateDue(table, known, hadGate, settings)),
      ],
    ];
  });
}
