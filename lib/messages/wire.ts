/** An Avro schema as the .avsc files write it. */
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

/** Steps over one value. Throws if there is none. */
type Step = (cursor: Cursor) => void;

/**
 * A check whether bytes are one value of the schema, to the last byte, for no more work than their length. avsc, which reads them
 * afterwards, believes every count: a damaged one of an array would keep it busy until memory is full.
 */
export function checkerOf(schema: Schema): (bytes: Buffer) => void {
  const step = stepOf(schema, new Map());
  return (bytes) => {
    const cursor = new Cursor(bytes);
    step(cursor);
    if (cursor.left !== 0) throw new Error(`${cursor.left} bytes too many`);
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
    if (length < 0 || length > this.left) throw new Error(`ends within a value that begins before byte ${this.#at}`);
    this.#at += length;
  }

  /** Beyond 2^53 only about right, which is right enough for lengths and indexes. */
  long(): number {
    let value = 0;
    for (let length = 0, unit = 1; length < LONG_BYTES_MAX; length++, unit *= 128) {
      const byte = this.#bytes[this.#at];
      this.skip(1);
      value += (byte! & 0x7f) * unit;
      if (byte! < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new Error(`no number ends at byte ${this.#at}`);
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
        if (!(Math.abs(cursor.long()) <= 2 ** 31)) throw new Error("an int of more than 32 bits");
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
      if (!known) throw new Error(`no Avro type: ${type}`);
      return known;
    }
  }
}

/** Blocks, each with its count (negative: its size follows), until an empty one. Our items take a byte at least. */
function arrayStep(item: Step): Step {
  return (cursor) => {
    for (let count = cursor.long(); count !== 0; count = cursor.long()) {
      if (count < 0) cursor.long();
      if (Math.abs(count) > cursor.left) throw new Error(`${Math.abs(count)} items in ${cursor.left} bytes`);
      for (let n = Math.abs(count); n > 0; n--) item(cursor);
    }
  };
}

function chosen<T>(from: readonly T[], index: number): T {
  const one = from[index];
  if (one === undefined) throw new Error(`no branch or symbol ${index}`);
  return one;
}
