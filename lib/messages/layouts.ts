/**
 * Fields with `"layout": 2` inside nested records, which records of before the rule in avro.ts lack. New
 * fields need no layout: they go to the end of their message.
 */
import type { Schema } from "./wire.ts";

interface Field {
  name: string;
  type: Schema;
  default?: unknown;
  layout?: number;
}
type Declared = Omit<Exclude<Schema, string | readonly Schema[]>, "fields"> & { fields?: readonly Field[] };

/** True if messages in the first layout may exist. */
export const hasLayouts = ({ fields = [] }: Declared): boolean =>
  fields.some(({ type }) => JSON.stringify(type).includes(`"layout":`));

/**
 * A message's schema in the first layout: without the layout-2 fields of nested records, and without the
 * fields that were appended to the message since: its last ones with a default and no `"layout": 1`.
 */
export function firstLayout(message: Declared): Schema {
  const fields = message.fields ?? [];
  const last = fields.findLastIndex((field) => !("default" in field) || field.layout === 1);
  return { ...message, fields: fields.slice(0, last + 1).map(withFirstLayout) };
}

function nested(schema: Schema): Schema {
  if (typeof schema === "string") return schema;
  if (Array.isArray(schema)) return (schema as readonly Schema[]).map(nested);
  const { type, items, fields, ...more } = schema as Declared;
  return {
    ...more,
    type: typeof type === "string" ? type : (nested(type) as unknown as string),
    ...(items === undefined ? {} : { items: nested(items) }),
    ...(fields === undefined ? {} : { fields: fields.filter(({ layout }) => layout !== 2).map(withFirstLayout) }),
  };
}

const withFirstLayout = (field: Field): Field => ({ ...field, type: nested(field.type) });
