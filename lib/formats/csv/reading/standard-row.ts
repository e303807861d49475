/**
 * Whether text[start, stop) is one row as RFC 4180 has it, so that every reader splits it alike: a field
 * begins and ends with a quote, with the quotes in it doubled, or has no quote. `quote`: -1 for none.
 */
export function isStandardRow(
  text: Uint8Array,
  { start, stop }: { start: number; stop: number },
  delimiter: number,
  quote: number,
): boolean {
  if (quote < 0) return true;
  for (let at = start; at <= stop; at++) {
    if (at < stop && text[at] === quote) {
      at = closingQuote(text, at + 1, stop, quote);
      if (at === stop) return false;
      at++;
      if (at < stop && text[at] !== delimiter) return false;
      continue;
    }
    for (; at < stop && text[at] !== delimiter; at++) if (text[at] === quote) return false;
  }
  return true;
}

/** Position of the first quote from `at` on that is not doubled; `stop` if there is none. */
function closingQuote(text: Uint8Array, at: number, stop: number, quote: number): number {
  for (; at < stop; at++) {
    if (text[at] !== quote) continue;
    if (at + 1 === stop || text[at + 1] !== quote) return at;
    at++;
  }
  return stop;
}
