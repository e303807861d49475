/**
 * Maps keys to file names and back. Ordinary names stay unchanged, because people add and inspect files in
 * these folders by hand. Names that a file system cannot store get a prefix of two characters:
 *
 *   `%%name`            the name starts with a dot (hidden files are never listed) or with one of these
 * prefixes   `%+piece/%%piece`   the name exceeds the file name limit: split into pieces in nested folders
 * `%=name`            a file whose plain name is used by a folder (the keys `a` and `a/b`): stored aside
 *
 * Only the prefix is added, so decoding removes two characters.
 */
const ESCAPED = "%%";
const CONTINUED = "%+";
const ASIDE = "%=";
const NAME_BYTES_MAX = 255;

/** The path of a key's file, relative to the store's root. */
export const pathOf = (key: string): string =>
  key
    .split("/")
    .map((segment) => fileNameOf(segment))
    .join("/");

/** The path used while a folder has the key's plain name. */
export function asidePathOf(key: string): string {
  const cut = key.lastIndexOf("/") + 1;
  const folder = cut === 0 ? "" : pathOf(key.slice(0, cut - 1)) + "/";
  return folder + fileNameOf(key.slice(cut), ASIDE);
}

/** The file name of one segment; a nested path if the segment is too long. */
export function fileNameOf(segment: string, mark?: typeof ASIDE): string {
  const ordinary = !/^(\.|%[%+=])/.test(segment) && Buffer.byteLength(segment) <= NAME_BYTES_MAX;
  if (ordinary && !mark) return segment;
  const pieces = cut(segment, NAME_BYTES_MAX - ESCAPED.length);
  const last = pieces.pop()!;
  return [...pieces.map((piece) => CONTINUED + piece), (mark ?? ESCAPED) + last].join("/");
}

export type NameRead =
  /** A folder that contains the rest of a long name. */
  | { kind: "continued"; text: string }
  /** A complete name, or the last piece of a long one. */
  | { kind: "name"; text: string; aside: boolean };

/** Decodes a name found in a folder; undefined for hidden files. */
export function readName(name: string): NameRead | undefined {
  if (name.startsWith(".")) return undefined;
  const text = name.slice(2);
  if (name.startsWith(CONTINUED)) return { kind: "continued", text };
  if (name.startsWith(ASIDE)) return { kind: "name", text, aside: true };
  return { kind: "name", text: name.startsWith(ESCAPED) ? text : name, aside: false };
}

/** True if this store would put the segment at `place`. Other names that look prefixed are ignored. */
export const isFileNameOf = (segment: string, place: string, aside: boolean): boolean =>
  place === fileNameOf(segment, aside ? ASIDE : undefined);

/** Splits text between characters into pieces of at most `bytesMax` bytes of UTF-8. */
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
