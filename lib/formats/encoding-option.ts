import { z } from "zod";
import { encodingNamed, unknownEncoding } from "../text/encoding.ts";

/** A declared encoding: its name, any label of the WHATWG Encoding Standard, or a usual alias. */
export const encodingOption = z
  .string()
  .max(100)
  .transform((label, context) => {
    const encoding = encodingNamed(label);
    if (encoding) return encoding;
    context.addIssue({ code: "custom", message: unknownEncoding(label) });
    return z.NEVER;
  })
  .describe("e.g. utf-8, windows-1252, shift_jis; any label of the WHATWG Encoding Standard");
