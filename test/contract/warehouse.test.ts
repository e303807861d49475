import { describe } from "node:test";
import { commitContract } from "./warehouse-commits.contract.ts";
import { readsContract } from "./warehouse-reads.contract.ts";
import { recordContract } from "./warehouse-records.contract.ts";
import { warehouseContract } from "./warehouse.contract.ts";
import { openedFor } from "./warehouse-subject.ts";
import { inMemory, warehouseSubjects } from "./warehouse-subjects.ts";

for (const subject of await warehouseSubjects("warehouse contract")) warehouseContract(subject);

describe("warehouse contract: in memory", () => {
  const opened = openedFor(inMemory);
  commitContract(opened);
  recordContract(opened);
  readsContract(opened);
});
