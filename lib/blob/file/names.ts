/**
 * How keys become file names, and back. Ordinary names stay as they are, because people put files into these folders by hand and
 * look at them there. Only what a folder cannot hold under its own name is marked, with a prefix of two characters:
 *
 *   `%%name`            the name begins with a dot (hidden files are never listed) or with one of these marks
 *   `%+piece/%%piece`   the name is longer than a file name can be: cut into pieces, one folder inside the other
 *   `%=name`            a file whose plain name is taken by a folder (the keys `a` and `a/b` side by side): set aside
 *
 * Nothing inside a name is ever changed, so decoding is cutting off two characters.
 */
const ESCAPED = "%%";
const CONTINUED = "%+";
const ASIDE = "%=";
const NAME_BYTES_MAX = 255;

/** The path, relative to the store's folder, where a key's file stands. */
export const pathOf = (key: string): string =>
  key
    .split("/")
    .map((segment) => fileNameOf(segment))
    .join("/");

/** The path where it stands while a folder has its plain name. */
export function asidePathOf(key: string): string {
  const cut = key.lastIndexOf("/") + 1;
  const folder = cut === 0 ? "" : pathOf(key.slice(0, cut - 1)) + "/";
  return folder + fileNameOf(key.slice(cut), ASIDE);
}

/** One segment's name, or names: a path of several, if it is long. */
export function fileNameOf(segment: string, mark?: typeof ASIDE): string {
  const ordinary = !/^(\.|%[%+=])/.test(segment) && Buffer.byteLength(segment) <= NAME_BYTES_MAX;
  if (ordinary && !mark) return segment;
  const pieces = cut(segment, NAME_BYTES_MAX - ESCAPED.length);
  const last = pieces.pop()!;
  return [...pieces.map((piece) => CONTINUED + piece), (mark ?? ESCAPED) + last].join("/");
}

export type NameRead =
  /** A folder that holds the rest of a long name. */
  | { kind: "continued"; text: string }
  /** A whole name, or the end of a long one. */
  | { kind: "name"; text: string; aside: boolean };

/** What a name found in a folder says; undefined for hidden files. */
export function readName(name: string): NameRead | undefined {
  if (name.startsWith(".")) return undefined;
  const text = name.slice(2);
  if (name.startsWith(CONTINUED)) return { kind: "continued", text };
  if (name.startsWith(ASIDE)) return { kind: "name", text, aside: true };
  return { kind: "name", text: name.startsWith(ESCAPED) ? text : name, aside: false };
}

/** Is `place` where this store itself would put the segment? Names that only look like marked ones are nobody's. */
export const isFileNameOf = (segment: string, place: string, aside: boolean): boolean =>
  place === fileNameOf(segment, aside ? ASIDE : undefined);

/** Pieces of at most `bytesMax` bytes of UTF-8, cut between characters. */
function cut(text: string, bytesMax: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  let bytes = 0;
  for (const character of text) {
    const more = Buffer.byteLength(character);
    if (bytes + more > bytesMax) {
      pieces.push(piece);
      piece = "";
      bytes = 0;
    }
    piece += character;
    bytes += more;
  }
  pieces.push(piece);
  return pieces;
}
