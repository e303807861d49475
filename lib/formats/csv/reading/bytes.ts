import { isUtf8 } from "node:buffer";
import type { RowFault } from "../../format.ts";

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

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const follows = (one: Uint8Array, other: Uint8Array): boolean =>
  one.buffer === other.buffer && one.byteOffset + one.length === other.byteOffset;

/** One text of both; without a copy if the other is one piece that follows in the same block. */
export function joined(one: Buffer, other: readonly Uint8Array[]): Buffer {
  const [only] = other;
  if (only === undefined || other.length > 1) return Buffer.concat([one, ...other]);
  if (one.length === 0) return asBuffer(only);
  if (!follows(one, only)) return Buffer.concat([one, only]);
  return Buffer.from(only.buffer, one.byteOffset, one.length + only.length);
}

/** Whether it is UTF-8 without NUL. */
export const isClean = (text: Buffer): boolean => isUtf8(text) && !text.includes(0);

/** Why a row is no text; undefined: it is. */
export function faultOf(raw: Buffer): RowFault | undefined {
  if (raw.includes(0)) return "nul_byte";
  return isUtf8(raw) ? undefined : "encoding";
}

/** Position after the text's last line end; 0 if it has none. */
export function lastLineEnd(text: Buffer): number {
  let at = text.length;
  while (at > 0 && text[at - 1] !== LF && text[at - 1] !== CR) at--;
  return at;
}

/** Whether a closing quote may stand before this byte; undefined: the end of the text. */
export const endsField = (byte: number | undefined, delimiter: number): boolean =>
  byte === undefined || byte === delimiter || byte === LF || byte === CR;

/** Whether there is a line end in text[from, to). */
export function hasLineEnd(text: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (text[at] === LF || text[at] === CR) return true;
  return false;
}

/** Position of the first quote or escape character from `at` on; the text's length if there is none. */
export function nextQuote(text: Uint8Array, at: number, quoteByte: number, escapeByte: number): number {
  while (at < text.length && text[at] !== quoteByte && text[at] !== escapeByte) at++;
  return at;
}
