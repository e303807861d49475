/** The line `sep=;` above a table, which tells spreadsheets the delimiter. */
export interface SepLine {
  /** Undefined: the line names none that the next line has. */
  delimiter: string | undefined;
  text: string;
}

const SEP = /^"?sep=([^\r\n]{0,40})$/i;

/**
 * The first line, if it is such a line: also in quotes, with blanks, or filled up with delimiters by a
 * program that saved it as a row.
 */
export function sepLineOf(text: string): SepLine | undefined {
  const [line = "", next = ""] = text.slice(0, 64 * 1024).split(/\r\n|\n|\r/, 2);
  const found = SEP.exec(line);
  if (!found) return undefined;
  const named = line.startsWith('"') ? found[1]!.replace(/"/, "") : found[1]!;
  const tight = named.replace(/(?!^) +$/, "");
  if (/[\p{L}\p{N}]/u.test(tight)) return undefined;
  const options = [tight, tight.slice(0, 2), tight.slice(0, 1)].filter((one) => one !== "" && next.includes(one));
  const [delimiter] = options.filter((one) => one.length === 1 || !/^(.)\1*$/.test(one) || isWholeIn(next, one));
  return { delimiter, text: line };
}

/** True if the line has the repeated character only in runs of this length. */
const isWholeIn = (line: string, mark: string): boolean =>
  line.split(mark[0]!).length - 1 === mark.length * (line.split(mark).length - 1);
