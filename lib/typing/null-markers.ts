const [SPACE, TAB] = [32, 9];

/** True if bytes[start, end) is one of the texts that mean NULL, with or without blanks around it. */
export function isNullMarker(markers: readonly Buffer[], bytes: Uint8Array, start: number, end: number): boolean {
  for (const marker of markers) {
    if (marker.length === end - start && marker.compare(bytes, start, end) === 0) return true;
  }
  const [first, last] = [start, end];
  while (start < end && isBlank(bytes[start]!)) start++;
  while (end > start && isBlank(bytes[end - 1]!)) end--;
  // What is blank as a whole is a text of its own.
  return start < end && (start !== first || end !== last) && isNullMarker(markers, bytes, start, end);
}

const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB;
