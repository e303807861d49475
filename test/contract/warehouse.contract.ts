import { describe } from "node:test";
import { checksContract } from "./warehouse-checks.contract.ts";
import { commitContract } from "./warehouse-commits.contract.ts";
import { planContract } from "./warehouse-plans.contract.ts";
import { queryContract } from "./warehouse-queries.contract.ts";
import { readsContract } from "./warehouse-reads.contract.ts";
import { rebuildContract } from "./warehouse-rebuild.contract.ts";
import { recordContract } from "./warehouse-records.contract.ts";
import { rejectContract } from "./warehouse-rejects.contract.ts";
import { tableContract } from "./warehouse-tables.contract.ts";
import { trustedContract } from "./warehouse-trusted.contract.ts";
import { undoContract } from "./warehouse-undo.contract.ts";
import { valueContract } from "./warehouse-values.contract.ts";
import { openedFor, type WarehouseSubject } from "./warehouse-subject.ts";

/** Registers the whole suite for one adapter, except the model, which takes as long as the rest. */
export function warehouseContract(subject: WarehouseSubject): void {
  describe(`warehouse contract: ${subject.name}`, () => {
    const opened = openedFor(subject);
    tableContract(opened);
    trustedContract(opened);
    checksContract(opened);
    commitContract(opened);
    undoContract(opened);
    rebuildContract(opened);
    valueContract(opened);
    planContract(opened);
    recordContract(opened);
    rejectContract(opened);
    readsContract(opened);
    queryContract(opened);
  });
}
