import { after, before, describe } from "node:test";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { checksContract } from "./warehouse-checks.contract.ts";
import { commitContract } from "./warehouse-commits.contract.ts";
import { modelContract } from "./warehouse-model.contract.ts";
import { queryContract } from "./warehouse-queries.contract.ts";
import { readsContract } from "./warehouse-reads.contract.ts";
import { recordContract } from "./warehouse-records.contract.ts";
import { rejectContract } from "./warehouse-rejects.contract.ts";
import { tableContract } from "./warehouse-tables.contract.ts";
import { trustedContract } from "./warehouse-trusted.contract.ts";
import { valueContract } from "./warehouse-values.contract.ts";
import type { Opened, WarehouseSubject } from "./warehouse-subject.ts";

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
    readsContract(opened);
    queryContract(opened);
    modelContract(opened);
  });
}
