/** The subset of Avro schemas that the .avsc files use. */
export type Schema =
  | string
  | readonly Schema[]
  | {
      type: string;
      name?: string;
      fields?: readonly { name: string; type: Schema }[];
      items?: Schema;
      symbols?: readonly string[];
    };

/** Moves the cursor past one value. Throws if the bytes are not a valid value. */
type Step = (cursor: Cursor) => void;

/** What the bytes of a record hold. */
export interface Extent {
  /** How many of the schema's fields, counted from the first. */
  fields: number;
  /** Bytes after the last field: fields that a newer version appended. */
  surplusBytes: number;
}

/**
 * Returns a check that the bytes are a record of the schema, possibly without its last fields or with bytes
 * after them, in time linear in their length. avsc, which decodes them afterwards, trusts every array count:
 * a corrupt count would make it allocate until memory is full.
 */
export function extentOf(schema: Extract<Schema, { type: string }>): (bytes: Buffer) => Extent {
  const named = new Map<string, Step>();
  const steps = (schema.fields ?? []).map(({ type }) => stepOf(type, named));
  return (bytes) => {
    const cursor = new Cursor(bytes);
    let fields = 0;
    while (fields < steps.length && cursor.left > 0) steps[fields++]!(cursor);
    return { fields, surplusBytes: cursor.left };
  };
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(length: number): void {
    if (length < 0 || length > this.left) throw new Error(`value at byte ${this.#at} is truncated`);
    this.#at += length;
  }

  /**
   * Reads a zigzag varint. Values above 2^53 are approximate; lengths and indexes never need them exactly.
   */
  long(): number {
    let value = 0;
    for (let length = 0, unit = 1; length < LONG_BYTES_MAX; length++, unit *= 128) {
      const byte = this.#bytes[this.#at];
      this.skip(1);
      value += (byte! & 0x7f) * unit;
      if (byte! < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new Error(`varint before byte ${this.#at} is longer than ${LONG_BYTES_MAX} bytes`);
  }
}

const LONG_BYTES_MAX = 10;

function stepOf(schema: Schema, named: Map<string, Step>): Step {
  if (Array.isArray(schema)) {
    const branches = (schema as readonly Schema[]).map((branch) => stepOf(branch, named));
    return (cursor) => chosen(branches, cursor.long())(cursor);
  }
  const declared =
    typeof schema === "string" ? { type: schema } : (schema as Exclude<Schema, string | readonly Schema[]>);
  const step = plainStep(declared, named);
  if (declared.name !== undefined) named.set(declared.name, step);
  return step;
}

function plainStep(
  { type, fields = [], items = "null", symbols = [] }: Exclude<Schema, string | readonly Schema[]>,
  named: Map<string, Step>,
): Step {
  switch (type) {
    case "null":
      return () => undefined;
    case "boolean":
      return (cursor) => cursor.skip(1);
    case "int":
      return (cursor) => {
        if (!(Math.abs(cursor.long()) <= 2 ** 31)) throw new Error("int value exceeds 32 bits");
      };
    case "long":
      return (cursor) => void cursor.long();
    case "double":
      return (cursor) => cursor.skip(8);
    case "bytes":
    case "string":
      return (cursor) => cursor.skip(cursor.long());
    case "enum":
      return (cursor) => void chosen(symbols, cursor.long());
    case "array":
      return arrayStep(stepOf(items, named));
    case "record": {
      const steps = fields.map((field) => stepOf(field.type, named));
      return (cursor) => steps.forEach((step) => step(cursor));
    }
    default: {
      const known = named.get(type);
      if (!known) throw new Error(`unknown Avro type: ${type}`);
      return known;
    }
  }
}

/**
 * An array is a list of blocks that ends with an empty one. A block has an item count; a negative count is
 * followed by the block's size in bytes. Every item of our schemas takes at least one byte.
 */
function arrayStep(item: Step): Step {
  return (cursor) => {
    for (let count = cursor.long(); count !== 0; count = cursor.long()) {
      if (count < 0) cursor.long();
      if (Math.abs(count) > cursor.left) throw new Error(`array of ${Math.abs(count)} items exceeds the message`);
      for (let n = Math.abs(count); n > 0; n--) item(cursor);
    }
  };
}

function chosen<T>(from: readonly T[], index: number): T {
  const one = from[index];
  if (one === undefined) throw new Error(`invalid union branch or enum symbol ${index}`);
  return one;
}
