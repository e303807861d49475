import { isAscii, isUtf8 } from "node:buffer";
import type { Encoding, FoundEncoding } from "../encoding.ts";
import { isUtf8Line, strictText, type LegacyEncoding } from "./legacy.ts";
import { detectLegacy } from "./legacy-detection.ts";
import { markedEncoding, refuseAsciiAsWide, wideEncoding } from "./marks.ts";
import { oddShare } from "./plausible.ts";
import { countUtf8, exampleOf, linesIn, wholeLines, withoutCutCharacter } from "./sample.ts";
import { doublyEncoded } from "./twice.ts";

export interface EncodingHints {
  /** What the sender or the contract declares. */
  declared?: Encoding | undefined;
  /** The table's usual encoding. */
  pinned?: Encoding | undefined;
}

/**
 * The encoding of a file by its first bytes. The first rule that applies decides:
 * 1. a byte-order mark, even against a declared encoding (no other file starts with these bytes by chance);
 * 2. the declared encoding;
 * 3. zeros at every other byte: UTF-16;
 * 4. ASCII: UTF-8, or ISO-2022-JP if it has its escape sequences;
 * 5. valid UTF-8, also with a few damaged places (those rows become rejects): UTF-8;
 * 6. the legacy encoding in which all bytes are defined and the text is most likely (`detectLegacy`).
 * The answer carries a doubt if the bytes contradict what was declared, or leave a choice.
 * @throws FILE_ENCODING_UNKNOWN for UTF-32, and for plain ASCII that is declared as UTF-16
 */
export function detectEncoding(sample: Buffer, { declared, pinned }: EncodingHints = {}): FoundEncoding {
  const marked = markedEncoding(sample);
  if (marked) return certain(marked, "the file starts with its byte-order mark");
  if (declared) return checkDeclared(declared, sample);
  const wide = wideEncoding(sample);
  if (wide) return { encoding: wide, confidence: 0.95, evidence: "zeros are at every other byte" };
  if (isAscii(sample)) {
    if (ISO_2022_JP.some((escape) => sample.includes(escape))) {
      return { encoding: "iso-2022-jp", confidence: 0.95, evidence: "the text has its escape sequences" };
    }
    return certain("utf-8", "all bytes are ASCII");
  }
  return detectText(sample, pinned);
}

/** What text is that is neither ASCII nor UTF-16. The sample may be from the middle of a file. */
export function detectText(sample: Buffer, pinned: Encoding | undefined): FoundEncoding {
  if (isUtf8(withoutCutCharacter(sample))) return wholeUtf8(sample);
  const lines = linesIn(sample);
  const damaged = damagedUtf8(sample, lines);
  return damaged ?? detectLegacy(sample, pinned);
}

const certain = (encoding: Encoding, evidence: string): FoundEncoding => ({ encoding, confidence: 1, evidence });

/** ESC $ @ and ESC $ B begin Japanese text in ISO-2022-JP. */
const ISO_2022_JP = [Buffer.from("\x1b$@"), Buffer.from("\x1b$B")];

/** Above this share of characters out of place, declared text is worth a look. */
const ODD_DECLARED = 0.4;
const CHARACTERS_MIN = 2;

function checkDeclared(encoding: Encoding, sample: Buffer): FoundEncoding {
  refuseAsciiAsWide(encoding, sample);
  const found = certain(encoding, "declared");
  if (encoding === "utf-8") return checkDeclaredUtf8(sample, found);
  if (encoding.startsWith("utf-") || isAscii(sample)) return found;
  const { characters, usual } = countUtf8(sample);
  if (isUtf8(withoutCutCharacter(sample)) && characters >= CHARACTERS_MIN && usual === characters) {
    const doubt = `declared as ${encoding}, but all ${characters} characters beyond ASCII are valid UTF-8`;
    return { ...found, confidence: 0.3, doubt };
  }
  const text = strictText(wholeLines(sample), encoding as LegacyEncoding);
  if (text === undefined || oddShare(text) <= ODD_DECLARED) return found;
  const doubt = `declared as ${encoding}, but read so the text mixes letters and signs: ${exampleOf(text)}`;
  return { ...found, confidence: 0.3, doubt };
}

/** Many clients declare UTF-8 for every text. */
function checkDeclaredUtf8(sample: Buffer, found: FoundEncoding): FoundEncoding {
  if (isUtf8(withoutCutCharacter(sample))) return found;
  const lines = linesIn(wholeLines(sample));
  const damaged = lines.filter((line) => !isUtf8(line)).length;
  if (damaged <= MIXED_SHARE * lines.length || (damaged < MIXED_LINES && damaged < lines.length)) return found;
  const doubt = `declared as utf-8, but ${damaged} of ${lines.length} lines with characters beyond ASCII are not UTF-8`;
  return { ...found, confidence: 0.3, doubt };
}

function wholeUtf8(sample: Buffer): FoundEncoding {
  const twice = doublyEncoded(sample.toString("utf8"));
  if (!twice) return certain("utf-8", "all bytes are valid UTF-8");
  const evidence = "all bytes are valid UTF-8";
  return { encoding: "utf-8", confidence: 0.3, evidence, doubt: `the text looks encoded twice: ${twice}` };
}

/** Share and number of damaged lines from which a file of UTF-8 counts as mixed. */
const MIXED_SHARE = 0.1;
const MIXED_LINES = 3;

/** UTF-8 with damaged lines; undefined if it is rather another encoding. */
function damagedUtf8(sample: Buffer, lines: readonly Buffer[]): FoundEncoding | undefined {
  const { characters, usual, strays } = countUtf8(sample);
  const valid = lines.filter((line) => isUtf8Line(line, "windows-1252")).length;
  const damaged = lines.length - valid;
  const prevails = usual >= 0.7 * characters && (valid >= damaged || characters >= 2 * strays);
  if (characters === 0 || characters < strays || !prevails) return undefined;
  const evidence = `${characters} characters beyond ASCII are valid UTF-8, ${strays} bytes are not`;
  const found = { encoding: "utf-8", confidence: characters / (characters + strays), evidence } as const;
  if (damaged < MIXED_LINES || damaged < MIXED_SHARE * lines.length) return found;
  return { ...found, doubt: `${damaged} of ${lines.length} lines with characters beyond ASCII are not UTF-8` };
}
