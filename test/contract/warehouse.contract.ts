import { after, before, describe } from "node:test";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { checksContract } from "./warehouse-checks.contract.ts";
import { commitContract } from "./warehouse-commits.contract.ts";
import { modelContract } from "./warehouse-model.contract.ts";
import { queryContract } from "./warehouse-queries.contract.ts";
import { recordContract } from "./warehouse-records.contract.ts";
import { rejectContract } from "./warehouse-rejects.contract.ts";
import { tableContract } from "./warehouse-tables.contract.ts";
import { trustedContract } from "./warehouse-trusted.contract.ts";
import { valueContract } from "./warehouse-values.contract.ts";

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

/** Registers the whole suite for one adapter. */
export function warehouseContract(subject: WarehouseSubject): void {
  describe(`warehouse contract: ${subject.name}`, () => {
    let warehouse: Warehouse | undefined;
    const opened: Opened = {
      subject,
      get warehouse() {
        return warehouse!;
      },
    };
    before(async () => {
      warehouse = await subject.open();
    });
    after(() => warehouse?.close());
    tableContract(opened);
    trustedContract(opened);
    checksContract(opened);
    commitContract(opened);
    valueContract(opened);
    recordContract(opened);
    rejectContract(opened);
    queryContract(opened);
    modelContract(opened);
  });
}
