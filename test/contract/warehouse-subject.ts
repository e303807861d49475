import type { Warehouse } from "../../lib/warehouse/warehouse.ts";

/** A warehouse to be held to the contract of lib/warehouse/warehouse.ts. Every test uses tables of its own. */
export interface WarehouseSubject {
  name: string;
  open(): Promise<Warehouse>;
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
