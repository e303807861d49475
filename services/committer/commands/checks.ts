import type { Check } from "../../../lib/contract/checks.ts";
import { parseDuration } from "../../../lib/durations.ts";
import { messageOf } from "../../../lib/errors.ts";
import type { TableCheck } from "../../../lib/warehouse/reads/port.ts";

/**
 * How a check is measured: `together` with others of its table in one statement; `alone` if it reads further
 * tables or a user wrote its SQL; `broken` if the contract gives no measurable check.
 */
export type CheckMeasurement =
  { check: Check; by: "together" | "alone"; measured: TableCheck } | { check: Check; by: "broken"; problem: string };

/** The measurement of a check by the warehouse. */
export function measurementOf(check: Check): CheckMeasurement {
  try {
    const by = check.type === "referential" || check.type === "custom_sql" ? "alone" : "together";
    return { check, by, measured: tableCheckOf(check) };
  } catch (thrown) {
    return { check, by: "broken", problem: messageOf(thrown) };
  }
}

function tableCheckOf(check: Check): TableCheck {
  switch (check.type) {
    case "range":
      return { type: "range", column: check.column, min: check.min_value, max: check.max_value };
    case "row_count_range":
      return { type: "row_count_range", min: check.min_count, max: check.max_count };
    case "freshness": {
      const age = parseDuration(check.max_age, undefined);
      if ("fault" in age) throw new Error(age.fault);
      return { type: "freshness", column: check.column ?? "_ingested_at", maxAgeMs: age.ms };
    }
    default:
      return check;
  }
}
