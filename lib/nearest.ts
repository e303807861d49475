/** Longer names are cut for the comparison, so that its cost stays bounded. */
const CHARS_MAX = 100;

/**
 * The known name that a misspelt one most likely means; undefined if none is near. Near is one edit in four
 * characters, at least one and at most four, and never the whole name; an edit inserts, deletes, replaces or
 * swaps characters.
 */
export function nearestOf(name: string, known: readonly string[]): string | undefined {
  const editsMax = Math.min(4, Math.max(1, Math.floor(name.length / 4)), name.length - 1);
  let nearest: string | undefined;
  let editsMin = editsMax + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= editsMin) continue;
    const edits = editsBetween(name.slice(0, CHARS_MAX), candidate.slice(0, CHARS_MAX));
    if (edits < editsMin) [nearest, editsMin] = [candidate, edits];
  }
  return nearest;
}

/** Damerau–Levenshtein distance in which no part is edited twice (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = last[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let edits = Math.min(replaced, last[column]! + 1, current[column - 1]! + 1);
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwap) edits = Math.min(edits, beforeLast[column - 2]! + 1);
      current.push(edits);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length]!;
}
