/**
 * Steps that report how far they are. parse: a parser reads a file; load: a committer loads the rows of its
 * load plan; commit: the rows go into the table. The others are a rebuild's: the files are read twice, then
 * the new table takes the old one's place.
 */
export const PROGRESS_STEPS = ["parse", "load", "commit", "types", "rows", "replace"] as const;

const AMOUNTS = ["filesDone", "filesTotal", "bytesDone", "bytesTotal", "rowsDone"] as const;

/** How far a step is. Bytes are those that are stored. */
export type Progress = { step: (typeof PROGRESS_STEPS)[number] } & Record<(typeof AMOUNTS)[number], number> & {
    /** Undefined: not known before the step ends. */
    rowsTotal?: number;
  };

export const progressJsonOf = (progress: Progress): string => JSON.stringify(progress);

/** The progress in a message; undefined: none that this version understands. */
export function progressIn(text: string | null | undefined): Progress | undefined {
  const fields = fieldsOf(text);
  const step = PROGRESS_STEPS.find((known) => known === fields["step"]);
  const amounts = AMOUNTS.map((name) => [name, fields[name]] as const);
  if (!step || amounts.some(([, amount]) => typeof amount !== "number")) return undefined;
  const { rowsTotal } = fields;
  return {
    step,
    ...(Object.fromEntries(amounts) as Record<(typeof AMOUNTS)[number], number>),
    ...(typeof rowsTotal === "number" ? { rowsTotal } : {}),
  };
}

function fieldsOf(text: string | null | undefined): Record<string, unknown> {
  try {
    return (JSON.parse(text ?? "{}") ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
