import { randomBytes } from "node:crypto";
import type { Clock } from "../../../clock.ts";
import { messageOf } from "../../../errors.ts";
import type { NewColumn, TableChange } from "../catalog/commit.ts";
import { CatalogError } from "../catalog/errors.ts";
import { nameOf, type RestCatalog } from "../catalog/rest-catalog.ts";
import type { TableIdentifier, TableMetadata } from "../catalog/schemas.ts";
import { scratchCommit, snapshotIdOf } from "./scratch-commit.ts";

export const COLUMNS: readonly NewColumn[] = [{ id: 1, name: "id", type: "long", required: false }];

export const randomName = (): string => randomBytes(6).toString("hex");

/** The two ways to commit. */
export type Via = "table" | "transaction";

/** Tables of one examination, in a namespace of its own unless one is given. `close` drops them. */
export class Scratch {
  readonly catalog: RestCatalog;
  /** The same catalog over connections that lose answers: see lossy-transport.ts. */
  readonly lossy: RestCatalog;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly namespace: readonly string[];
  readonly #isOwnNamespace: boolean;
  readonly #made = new Map<string, { drop: () => Promise<void> }>();

  private constructor(options: ScratchOptions) {
    this.catalog = options.catalog;
    this.lossy = options.lossy;
    this.clock = options.clock;
    this.signal = options.signal;
    this.#isOwnNamespace = options.namespace === undefined;
    this.namespace = options.namespace ?? [`tributary_doctor_${randomName()}`];
  }

  /** @throws CatalogError if the namespace cannot be made, or the given one does not exist */
  static async open(options: ScratchOptions): Promise<Scratch> {
    const scratch = new Scratch(options);
    if (scratch.#isOwnNamespace) await scratch.catalog.createNamespace(scratch.namespace);
    else await scratch.catalog.loadNamespace(scratch.namespace);
    return scratch;
  }

  nameOf(name: string): TableIdentifier {
    return { namespace: this.namespace, name };
  }

  /**
   * A new empty table. Its name must be one that nobody else uses, since it is dropped at the end; without a
   * name it has one that every catalog takes.
   */
  async table(name = `doctor_${randomName()}`): Promise<TableIdentifier> {
    const identifier = this.nameOf(name);
    const what = `table ${nameOf(identifier)}`;
    const isNew = !this.#made.has(what);
    this.willDrop(what, () => this.#dropTable(identifier));
    try {
      await this.catalog.createTable(this.namespace, { name, columns: COLUMNS });
    } catch (error) {
      if (isNew && error instanceof CatalogError && error.outcome === "none") this.#made.delete(what);
      throw error;
    }
    return identifier;
  }

  /** Has `drop` called at the end. A resource that is gone by then is no failure. */
  willDrop(what: string, drop: () => Promise<void>): void {
    this.#made.set(what, { drop });
  }

  async load(table: TableIdentifier): Promise<TableMetadata> {
    return (await this.catalog.loadTable(table, this.signal)).metadata;
  }

  async commit(changes: readonly TableChange[], via: Via, catalog = this.catalog): Promise<void> {
    if (via === "transaction") return catalog.commitTransaction(changes, this.signal);
    for (const change of changes) await catalog.commitTable(change, this.signal);
  }

  change(table: TableIdentifier, base: TableMetadata, summary: Record<string, string> = {}): TableChange {
    return scratchCommit(table, base, { atMs: this.clock.nowMs(), summary });
  }

  /** Commits once more on top of the newest snapshot. Returns the new snapshot's id. */
  async append(table: TableIdentifier, via: Via = "table"): Promise<bigint> {
    const change = this.change(table, await this.load(table));
    await this.commit([change], via);
    return snapshotIdOf(change);
  }

  /** Drops what was made. Returns what is still there, with the reason. */
  async close(): Promise<string[]> {
    const leftovers: string[] = [];
    for (const [what, { drop }] of this.#made) await attempt(what, drop, leftovers);
    if (this.#isOwnNamespace) {
      const drop = (): Promise<void> => this.catalog.dropNamespace(this.namespace);
      await attempt(`namespace ${this.namespace.join(".")}`, drop, leftovers);
    }
    return leftovers;
  }

  async #dropTable(table: TableIdentifier): Promise<void> {
    try {
      await this.catalog.dropTable(table, { purge: true });
    } catch (error) {
      // Not every catalog deletes files.
      if (isGone(error)) return;
      await this.catalog.dropTable(table);
    }
  }
}

export interface ScratchOptions {
  catalog: RestCatalog;
  lossy: RestCatalog;
  clock: Clock;
  signal: AbortSignal;
  /** An existing namespace to use. */
  namespace?: readonly string[] | undefined;
}

const isGone = (error: unknown): boolean => error instanceof CatalogError && error.code === "CATALOG_NOT_FOUND";

async function attempt(what: string, drop: () => Promise<void>, leftovers: string[]): Promise<void> {
  try {
    await drop();
  } catch (error) {
    if (!isGone(error)) leftovers.push(`${what}: ${messageOf(error)}`);
  }
}
