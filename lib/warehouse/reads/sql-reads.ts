import { fileRecords } from "./file-records.ts";
import type { WarehouseReads } from "./port.ts";
import { rejectRecords } from "./reject-records.ts";
import type { SqlReader } from "./sql-reader.ts";
import { fileRowCount, freshness, maintenanceRuns, rowCount } from "./tables.ts";

/** The reads of a warehouse. `reader` runs them as they are: they pass no filter of users' queries. */
export function sqlReads(reader: SqlReader): WarehouseReads {
  return {
    files: fileRecords(reader),
    rejects: rejectRecords(reader),
    rowCount: (table, limits) => rowCount(reader, table, limits),
    fileRowCount: (table, sourceFile, limits) => fileRowCount(reader, table, sourceFile, limits),
    freshness: (table, dateColumn, limits) => freshness(reader, table, dateColumn, limits),
    maintenanceRuns: (table, limits) => maintenanceRuns(reader, table, limits),
  };
}
