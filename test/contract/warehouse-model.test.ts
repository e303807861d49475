/** The longest part of the warehouses' contract has a file of its own, so that it runs beside the rest. */
import { describe } from "node:test";
import { modelContract } from "./warehouse-model.contract.ts";
import { openedFor } from "./warehouse-subject.ts";
import { inMemory, warehouseSubjects } from "./warehouse-subjects.ts";

for (const subject of [...(await warehouseSubjects("warehouse model")), inMemory])
  describe(`warehouse model: ${subject.name}`, () => modelContract(openedFor(subject)));
