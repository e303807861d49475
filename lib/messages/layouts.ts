/** Schema fields with `"layout": 2`: see `codec` in avro.ts. */
import type { Schema } from "./wire.ts";
import { ownOf } from "../own.ts";

interface Field {
  name: string;
  type: Schema;
  default?: unknown;
  layout?: number;
}
type Declared = Exclude<Schema, string | readonly Schema[]>;

/** The schema without its layout-2 fields. */
export function firstLayout(schema: Schema): Schema {
  if (typeof schema === "string") return schema;
  if (Array.isArray(schema)) return (schema as readonly Schema[]).map(firstLayout);
  const { type, items, fields, ...more } = schema as Declared & { fields?: readonly Field[] };
  return {
    ...more,
    type: typeof type === "string" ? type : (firstLayout(type) as unknown as string),
    ...(items === undefined ? {} : { items: firstLayout(items) }),
    ...(fields === undefined ? {} : { fields: fields.filter(isFirst).map(withFirstLayout) }),
  };
}

const isFirst = ({ layout = 1 }: Field): boolean => layout === 1;
const withFirstLayout = (field: Field): Field => ({ ...field, type: firstLayout(field.type) });

type Check = (value: unknown) => boolean;

/**
 * A test whether all layout-2 fields of a value have their defaults; undefined if the schema has no such
 * fields. Works on strings, numbers and null as defaults.
 */
export function layoutCheck(schema: Schema): Check | undefined {
  if (typeof schema === "string") return undefined;
  if (Array.isArray(schema)) return unionCheck(schema as readonly Schema[]);
  const { type, items, fields } = schema as Declared & { fields?: readonly Field[] };
  if (typeof type !== "string") return layoutCheck(type);
  if (items !== undefined) {
    const check = layoutCheck(items);
    return check && ((value) => (value as unknown[]).every(check));
  }
  const checks = (fields ?? []).flatMap((field: Field): Check[] => {
    const of = (value: unknown): unknown => ownOf(value as Record<string, unknown>, field.name);
    if (!isFirst(field)) return [(value) => (of(value) ?? field.default) === field.default];
    const check = layoutCheck(field.type);
    return check ? [(value) => check(of(value))] : [];
  });
  return checks.length === 0 ? undefined : (value) => checks.every((check) => check(value));
}

/** Records in unions come as `{ "tributary.Name": value }`; other unions of ours have no layout-2 fields. */
function unionCheck(branches: readonly Schema[]): Check | undefined {
  const checks = new Map<string, Check>();
  for (const branch of branches) {
    const check = layoutCheck(branch);
    if (check) checks.set(`tributary.${(branch as { name: string }).name}`, check);
  }
  if (checks.size === 0) return undefined;
  return (value) =>
    Object.entries(value as Record<string, unknown>).every(([name, one]) => checks.get(name)?.(one) ?? true);
}
