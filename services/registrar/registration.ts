import type { Clock } from "../../lib/clock.ts";
import { hasCode, messageOf, TributaryError, type ErrorCode } from "../../lib/errors.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { RegistrarSettings } from "./config.ts";
import { ensureDashboard, type DashboardDefinition } from "./dashboard.ts";
import {
  datasetsOf,
  ensureDatabase,
  makeDataset,
  refreshDataset,
  tablesInTrino,
  type Dataset,
  type Lakehouse,
} from "./datasets.ts";
import type { RegistrarMetrics } from "./metrics.ts";
import { isPaused, pause, type Pauses } from "./pauses.ts";
import { SupersetApi } from "./superset-api.ts";
import { columnsOf, foldSupersetState, isRegistrationPending, type KnownTables } from "./tables.ts";

export interface RegistrationOptions {
  tables: KnownTables;
  dashboards: readonly DashboardDefinition[];
  settings: RegistrarSettings;
  clock: Clock;
  logger: Logger;
  metrics: RegistrarMetrics;
}

/** The state of one round. */
interface Round {
  api: SupersetApi;
  lakehouse: Lakehouse;
  /** By table, including those created in this round. */
  datasets: Map<string, Dataset>;
}

interface Task {
  /** Name of the table or slug of the dashboard. */
  name: string;
  carryOut: (round: Round) => Promise<void>;
}

/** The pause of Superset as a whole. No table can have this name. */
const SUPERSET = "(Superset)";

/**
 * Reconciles Superset with the tables in rounds: reads Superset's state, then creates what is missing, one
 * task at a time. All state can be read again from Superset, so rounds can be interrupted, repeated and run
 * in several processes.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #pauses: Pauses = new Map();
  /** Dashboard slug → the table's columns at the dashboard's last check. */
  readonly #checkedDashboards = new Map<string, string>();
  #resyncAtMs = -Infinity;
  #aligned = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** True if a round has work: not while Superset, or every pending task, is paused after failures. */
  isDue(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (isPaused(this.#pauses, SUPERSET, nowMs)) return false;
    return nowMs >= this.#resyncAtMs || this.#next() !== undefined;
  }

  /** The number of pending tasks. */
  get pending(): number {
    return this.#tasks().length;
  }

  /** Runs one round. Failed tasks are logged and retried after a pause. */
  async round(signal: AbortSignal): Promise<void> {
    const { settings, clock, logger, metrics } = this.#options;
    try {
      const round = await this.#readState(await SupersetApi.login(settings.superset, signal));
      this.#resyncAtMs = clock.monotonicMs() + settings.resyncMs;
      // Evaluated again for each task, so that new tables do not wait for the end of the round.
      for (let task = this.#next(); task; task = this.#next()) await this.#attempt(task, round);
      if (this.#pauses.delete(SUPERSET)) logger.info("Superset is available again");
    } catch (thrown) {
      if (signal.aborted) return;
      metrics.throughput.error(codeOf(thrown));
      const level = this.#pause(SUPERSET) === 1 ? "warn" : "debug";
      logger[level]({ detail: messageOf(thrown) }, "Superset is unavailable; retrying");
    }
  }

  async #readState(api: SupersetApi): Promise<Round> {
    const { tables, settings, clock } = this.#options;
    const databaseId = await ensureDatabase(api, settings.trinoUrl, !this.#aligned);
    this.#aligned = true;
    const lakehouse = { databaseId, schema: settings.schema };
    const commitsBefore = new Map([...tables].map(([name, { commits }]) => [name, commits]));
    const inTrino = await tablesInTrino(api, lakehouse);
    const datasets = await datasetsOf(api, lakehouse);
    foldSupersetState(tables, { commitsBefore, inTrino, datasets }, clock.nowMs());
    return { api, lakehouse, datasets };
  }

  /** Runs one task. Its failure does not stop the round, unless Superset itself is unavailable. */
  async #attempt({ name, carryOut }: Task, round: Round): Promise<void> {
    const { logger, metrics } = this.#options;
    try {
      await carryOut(round);
      this.#pauses.delete(name);
    } catch (thrown) {
      if (hasCode(thrown, "SUPERSET_UNAVAILABLE")) throw thrown;
      metrics.datasets.inc({ outcome: "failed" });
      metrics.throughput.error(codeOf(thrown));
      const failures = this.#pause(name);
      const level = failures === 1 ? "warn" : "debug";
      logger[level]({ name, failures, detail: messageOf(thrown) }, "registration in Superset failed; retrying");
    }
  }

  #pause(name: string): number {
    const { clock, settings } = this.#options;
    const limits = { minMs: settings.backoffMsMin, maxMs: settings.backoffMsMax };
    return pause(this.#pauses, name, clock.monotonicMs(), limits);
  }

  #next(): Task | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#tasks().find(({ name }) => !isPaused(this.#pauses, name, nowMs));
  }

  /** All pending tasks: dashboards, then tables, newest first. */
  #tasks(): Task[] {
    const { tables, dashboards, clock } = this.#options;
    const nowMs = clock.nowMs();
    const pending = [...tables].filter(([, known]) => isRegistrationPending(known, nowMs)).map(([name]) => name);
    const due = dashboards.filter(({ slug, table }) => {
      const columns = tables.get(table)?.registered;
      return columns !== undefined && columns !== this.#checkedDashboards.get(slug);
    });
    return [
      ...due.map((definition) => ({
        name: definition.slug,
        carryOut: (round: Round) => this.#ensureDashboard(definition, round),
      })),
      ...pending.reverse().map((name) => ({ name, carryOut: (round: Round) => this.#register(name, round) })),
    ];
  }

  async #register(name: string, { api, lakehouse, datasets }: Round): Promise<void> {
    const { tables, clock, logger, metrics } = this.#options;
    const known = tables.get(name)!;
    const columns = columnsOf(known, clock.nowMs());
    const before = datasets.get(name);
    if (before) await refreshDataset(api, before.id, columns);
    else datasets.set(name, await makeDataset(api, lakehouse, name, columns));
    known.registered = columns;
    const outcome = before ? "refreshed" : "registered";
    metrics.datasets.inc({ outcome });
    metrics.throughput.sent("dataset");
    logger.info({ table: name }, `dataset ${outcome}`);
  }

  async #ensureDashboard(definition: DashboardDefinition, { api, datasets }: Round): Promise<void> {
    const { slug, title: dashboard, table } = definition;
    const columns = this.#options.tables.get(table)!.registered!;
    const outcome = await ensureDashboard(api, definition, datasets.get(table)!.id);
    this.#checkedDashboards.set(slug, columns);
    this.#options.logger.info({ dashboard, table }, `dashboard ${outcome}`);
  }
}

/** An error that is not a TributaryError comes from an unexpected response of Superset. */
const codeOf = (thrown: unknown): ErrorCode => (thrown instanceof TributaryError ? thrown.code : "SUPERSET_FAILED");
