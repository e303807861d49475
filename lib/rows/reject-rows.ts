import avsc from "avsc";
import type { Reject, RowBatch } from "../messages/generated.ts";

const SCHEMA = {
  type: "record",
  name: "reject",
  fields: [
    { name: "row", column: "source_row", type: "long" },
    { name: "line", column: "line", type: "long" },
    { name: "column", column: "column_name", type: ["null", "string"] },
    { name: "reason", column: "reason", type: "string" },
    { name: "message", column: "message", type: "string" },
    { name: "raw", column: "raw", type: "string" },
  ],
};
const writerSchema = JSON.stringify(SCHEMA);
const type = avsc.Type.forSchema(SCHEMA as avsc.Schema, { wrapUnions: false });

/** Rejects as a row batch with the columns of `_rejected_rows`, so that they are staged like other rows. */
export function rejectBatch(rejects: readonly Reject[]): RowBatch {
  const rows = Buffer.concat(rejects.map((reject) => type.toBuffer(reject)));
  return { firstRow: 0, rowCount: rejects.length, writerSchema, rows };
}
