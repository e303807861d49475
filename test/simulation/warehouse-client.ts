import { TributaryError } from "../../lib/errors.ts";
import { isShadow } from "../../lib/tables.ts";
import type { CommitOptions, CommitReceipt, Stage, Warehouse } from "../../lib/warehouse/warehouse.ts";
import type { FakeStage, FakeWarehouse } from "../support/fake-warehouse.ts";
import type { Call } from "../support/memory-event-log.ts";

/** Where violations are reported. */
export interface CheckedWorld {
  readonly warehouse: FakeWarehouse;
  violation(what: string): void;
  checkWholeFiles(table: string): void;
}

/** A process's connection to the warehouse. A request carries the stage's content at the time of the call. */
export function warehouseClient(world: CheckedWorld, call: Call): Warehouse {
  const { warehouse } = world;
  const writing = new Map<string, readonly string[]>();
  /**
   * I13: per process and table at most one commit and one record run at a time, and only for different files.
   */
  const alone = async <T>(
    what: "commit" | "record",
    table: string,
    files: readonly string[],
    write: () => Promise<T>,
  ): Promise<T> => {
    if (writing.has(`${what} ${table}`)) world.violation(`I13: two lanes of a process ${what} to ${table}`);
    const beside = writing.get(`${what === "commit" ? "record" : "commit"} ${table}`) ?? [];
    const shared = files.filter((name) => beside.includes(name));
    if (shared.length > 0) world.violation(`I13: ${shared.join()} of ${table} in a commit and a record at once`);
    writing.set(`${what} ${table}`, files);
    try {
      return await write();
    } finally {
      writing.delete(`${what} ${table}`);
    }
  };
  const frozen = <T extends { stage?: Stage }>(one: T): T =>
    one.stage ? { ...one, stage: (one.stage as FakeStage).frozen() } : one;
  const shadows = new ShadowGuard(warehouse);
  const own: Partial<Warehouse> = {
    async commit({ layout, files, records }, options) {
      const carried = records && { records: { ...records, ended: records.ended.map(frozen) } };
      const batch = { layout, files: files.map(frozen), ...carried };
      await shadows.begin(layout.table, options);
      const effect = async (): Promise<CommitReceipt> => {
        shadows.check(layout.table);
        const receipt = await warehouse.commit(batch);
        shadows.noted(layout.table);
        world.checkWholeFiles(layout.table);
        return receipt;
      };
      const names = files.map(({ sourceFile }) => sourceFile);
      return alone("commit", layout.table, names, () => call("commit", effect));
    },
    async drop(table, options) {
      await options?.confirmOwner?.();
      await call("drop", () => warehouse.drop(table));
    },
    async replaceWith(layout, shadow, options) {
      await shadows.begin(shadow, options);
      await options?.confirmOwner?.();
      await call("replaceWith", async () => {
        shadows.check(shadow);
        await warehouse.replaceWith(layout, shadow);
        world.checkWholeFiles(layout.table);
      });
    },
    record(table, ended, recordedAtMs) {
      const carried = ended.map(frozen);
      const effect = async (): Promise<void> => {
        const before = (await warehouse.watermark(table)) ?? -1;
        await warehouse.record(table, carried, recordedAtMs);
        const after = (await warehouse.watermark(table)) ?? -1;
        if (after < before) world.violation(`I5: the watermark of ${table} moves back from ${before} to ${after}`);
      };
      const names = ended.map(({ outcome }) => outcome.sourceFile);
      return alone("record", table, names, () => call("record", effect));
    },
    reads: {
      ...warehouse.reads,
      files: {
        ...warehouse.reads.files,
        versions: (table) => call("versions", () => warehouse.recordsOf(table)),
        setAside: (table) =>
          call("setAside", () => {
            const found = warehouse.recordsOf(table).filter(({ errorCode }) => SET_ASIDE.includes(errorCode ?? ""));
            return new Set(found.map(({ fileId }) => fileId));
          }),
        recorded: (table, fileIds, limits) =>
          call("recorded", () => warehouse.reads.files.recorded(table, fileIds, limits)),
      },
    },
    stage: () => stageClient(warehouse.stage() as FakeStage, call),
  };
  return new Proxy(warehouse, {
    get(target, name) {
      if (name in own) return own[name as keyof Warehouse];
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => call(String(name), () => Reflect.apply(member, target, args) as unknown);
    },
  });
}

function stageClient(stage: FakeStage, call: Call): Stage {
  return new Proxy(stage, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name !== "append" && name !== "reject" && name !== "discard") return member;
      const method = member as (...args: unknown[]) => Promise<void>;
      return (...args: unknown[]) => call(`stage.${name}`, () => Reflect.apply(method, target, args));
    },
  });
}

/** Errors of versions that a decision, or a newer version, has set aside. */
export const SET_ASIDE = ["FILE_SUPERSEDED", "FILE_HELD", "FILE_REFUSED"];

/**
 * The shadow of a rebuild is guarded as on Trino: by its state after this process's last commit. Who does not
 * know that state has to own the table.
 */
class ShadowGuard {
  readonly #warehouse: FakeWarehouse;
  readonly #bases = new Map<string, unknown>();

  constructor(warehouse: FakeWarehouse) {
    this.#warehouse = warehouse;
  }

  async begin(table: string, options?: CommitOptions): Promise<void> {
    if (!isShadow(table) || this.#bases.has(table)) return;
    const state = this.#stateOf(table);
    await options?.confirmOwner?.();
    this.#bases.set(table, state);
  }

  check(table: string): void {
    if (!isShadow(table) || this.#bases.get(table) === this.#stateOf(table)) return;
    this.#bases.delete(table);
    throw new TributaryError("WAREHOUSE_CONFLICT", `${table} has changed`);
  }

  noted(table: string): void {
    if (isShadow(table)) this.#bases.set(table, this.#stateOf(table));
  }

  /** A commit makes new rows of a table. */
  #stateOf(table: string): unknown {
    return this.#warehouse.tablesByName.get(table)?.rows;
  }
}
