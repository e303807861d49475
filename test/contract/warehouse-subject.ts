import { after, before } from "node:test";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";

/** A warehouse to be held to the contract of lib/warehouse/warehouse.ts. Every test uses tables of its own. */
export interface WarehouseSubject {
  name: string;
  open(): Promise<Warehouse>;
  /** The dialect of users' queries. */
  sql: "duckdb" | "trino";
  /** Random histories tried for each write mode: fewer where a commit takes long. */
  histories: number;
  /** Statements that must not get through `query` beside the common ones. */
  attacks: readonly string[];
}

/** What the suites get: the warehouse is there only while tests run. */
export interface Opened {
  readonly subject: WarehouseSubject;
  readonly warehouse: Warehouse;
}

/** Opens the subject before the tests of the running suite and closes it after them. */
export function openedFor(subject: WarehouseSubject): Opened {
  let warehouse: Warehouse | undefined;
  before(async () => {
    warehouse = await subject.open();
  });
  after(() => warehouse?.close());
  return {
    subject,
    get warehouse() {
      return warehouse!;
    },
  };
}
