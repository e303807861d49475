import { columnTypeOf, type ColumnDefinition, type ColumnType } from "../columns.ts";
import type { Contract } from "../contract/contract.ts";
import type { ObservedColumn } from "../parsing/plan.ts";
import { RESCUED_COLUMN } from "../parsing/names.ts";
import { joinFacts, typeOf, type Facts } from "../typing/infer.ts";

/** How a column of a rebuilt table differs from the one before. */
export interface ColumnChange {
  name: string;
  change: "type" | "new" | "gone";
  /** Before and after; null: the table does not have the column. */
  from: ColumnType | null;
  to: ColumnType | null;
}

interface Found {
  header: string;
  type: ColumnType | undefined;
  facts: Facts | undefined;
}

/**
 * The columns of a table, found in all its files together: the type of each holds every value of every file.
 * The columns keep the order, the names and the headers that the table has.
 */
export class TableColumns {
  readonly #contract: Contract;
  readonly #before: readonly ColumnDefinition[];
  readonly #found = new Map<string, Found>();

  constructor(contract: Contract, before: readonly ColumnDefinition[]) {
    this.#contract = contract;
    this.#before = before;
  }

  /** The columns that the next file is compared with. */
  get known(): ColumnDefinition[] {
    const names = new Set(this.#before.map(({ name }) => name));
    const added = [...this.#found].filter(([name]) => !names.has(name));
    return [...this.#before, ...added.map(([name, { header }]) => ({ name, header, type: "VARCHAR" as const }))];
  }

  /** Adds the columns of one file. */
  add(columns: readonly ObservedColumn[]): void {
    for (const column of columns) {
      const known = this.#found.get(column.name);
      const type = "type" in column ? column.type : known?.type;
      const facts =
        "facts" in column ? (known?.facts ? joinFacts(known.facts, column.facts) : column.facts) : undefined;
      this.#found.set(column.name, { header: known?.header ?? column.header, type, facts: facts ?? known?.facts });
    }
  }

  /** The table's columns after the rebuild. */
  get columns(): ColumnDefinition[] {
    const declared = new Map(this.#contract.columns.map((column) => [column.name, column]));
    const columns = this.known.flatMap(({ name, header }): ColumnDefinition[] => {
      const own = declared.get(name);
      if (own) return [{ name, header: own.header ?? header, type: columnTypeOf(own.type) ?? own.type }];
      const found = this.#found.get(name);
      if (name === RESCUED_COLUMN && this.#contract.onMismatch === "rescue") return [{ name, header, type: "VARCHAR" }];
      // A column without a value has no type (decision 38).
      const type = found?.type ?? (found?.facts && found.facts.kinds !== 0 ? typeOf(found.facts) : undefined);
      return type ? [{ name, header, type }] : [];
    });
    return columns;
  }

  get changes(): ColumnChange[] {
    const after = new Map(this.columns.map(({ name, type }) => [name, type]));
    const before = new Map(this.#before.map(({ name, type }) => [name, type]));
    const names = [...new Set([...before.keys(), ...after.keys()])];
    return names.flatMap((name): ColumnChange[] => {
      const [from = null, to = null] = [before.get(name), after.get(name)];
      if (from === to) return [];
      return [{ name, from, to, change: from === null ? "new" : to === null ? "gone" : "type" }];
    });
  }
}
