import { setType } from "../../typing/cast.ts";
import { typeOf } from "../../typing/infer.ts";
import { setUntypedAside, type Plan } from "../plan.ts";

/** Gives the new columns their types, by the facts about the values at the file's beginning. */
export function setFirstTypes(plan: Plan): void {
  setUntypedAside(plan);
  for (const column of plan.columns) {
    if (column.authority !== "inferred") continue;
    setType(column, typeOf(column.facts));
    if (column.type === "VARCHAR" && column.facts.kinds !== 0) column.authority = "known";
  }
}
