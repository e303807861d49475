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

/** What one round works with. */
interface Round {
  api: SupersetApi;
  lakehouse: Lakehouse;
  /** By table; those made in this round included. */
  datasets: Map<string, Dataset>;
}

interface Task {
  /** Of the table or the dashboard. */
  name: string;
  carryOut: (round: Round) => Promise<void>;
}

/** Among the pauses: Superset as a whole. No table has such a name. */
const SUPERSET = "(Superset)";

/**
 * Brings Superset into line with the tables, in rounds: look what is there, then do what is missing, one thing at a time. Nothing is
 * kept but what the next look shows again, so rounds may end anywhere, be repeated, and run in several processes.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #pauses: Pauses = new Map();
  /** The columns of its table with which a dashboard was last seen to. */
  readonly #seenTo = new Map<string, string>();
  #lookAgainAtMs = -Infinity;
  #aligned = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** Is a round worth while? Not while Superset, or all that is left to do, has to pause after failures. */
  isDue(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (isPaused(this.#pauses, SUPERSET, nowMs)) return false;
    return nowMs >= this.#lookAgainAtMs || this.#next() !== undefined;
  }

  /** How much is left to do. */
  get pending(): number {
    return this.#tasks().length;
  }

  /** One round. What fails is noted, and tried again after a pause. */
  async round(signal: AbortSignal): Promise<void> {
    const { settings, clock, logger, metrics } = this.#options;
    try {
      const round = await this.#look(await SupersetApi.login(settings.superset, signal));
      this.#lookAgainAtMs = clock.monotonicMs() + settings.resyncMs;
      // Asked anew each time: tables that come meanwhile need not wait for all others.
      for (let task = this.#next(); task; task = this.#next()) await this.#attempt(task, round);
      if (this.#pauses.delete(SUPERSET)) logger.info("Superset can be worked with again");
    } catch (thrown) {
      if (signal.aborted) return;
      metrics.throughput.error(codeOf(thrown));
      const level = this.#pause(SUPERSET) === 1 ? "warn" : "debug";
      logger[level]({ detail: messageOf(thrown) }, "Superset cannot be worked with; it is tried again");
    }
  }

  async #look(api: SupersetApi): Promise<Round> {
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

  /** What fails here holds nothing else up, unless Superset as a whole does not answer. */
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
      logger[level]({ name, failures, detail: messageOf(thrown) }, "Superset did not take it; it is tried again");
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

  /** All that is left to do: dashboards, then the tables, newest first. */
  #tasks(): Task[] {
    const { tables, dashboards, clock } = this.#options;
    const nowMs = clock.nowMs();
    const pending = [...tables].filter(([, known]) => isRegistrationPending(known, nowMs)).map(([name]) => name);
    const due = dashboards.filter(({ slug, table }) => {
      const columns = tables.get(table)?.registered;
      return columns !== undefined && columns !== this.#seenTo.get(slug);
    });
    return [
      ...due.map((definition) => ({
        name: definition.slug,
        carryOut: (round: Round) => this.#seeTo(definition, round),
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

  async #seeTo(definition: DashboardDefinition, { api, datasets }: Round): Promise<void> {
    const { slug, title: dashboard, table } = definition;
    const columns = this.#options.tables.get(table)!.registered!;
    const outcome = await ensureDashboard(api, definition, datasets.get(table)!.id);
    this.#seenTo.set(slug, columns);
    this.#options.logger.info({ dashboard, table }, `dashboard ${outcome}`);
  }
}

/** What is no error of ours is an answer that nobody expected. */
const codeOf = (thrown: unknown): ErrorCode => (thrown instanceof TributaryError ? thrown.code : "SUPERSET_FAILED");
