/** Bytes that the readers of CSV text compare. */
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const TAB = 9;

export const BOM = Buffer.from("\ufeff");

/** Whether the text has these bytes at a position; PARTIAL: it ends within them. */
export const MATCH = { NO: 0, YES: 1, PARTIAL: 2 } as const;

export function matchAt(text: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) {
    if (at + i >= text.length) return MATCH.PARTIAL;
    if (text[at + i] !== bytes[i]) return MATCH.NO;
  }
  return MATCH.YES;
}

export const isBlank = (byte: number | undefined): boolean => byte === SPACE || byte === TAB;
