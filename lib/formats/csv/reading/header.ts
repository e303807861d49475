/** Between the names of a header of several rows. */
const BETWEEN = " / ";

/** Name of a first column for which the header has no name, as R writes row names. */
const ROW_NAME = "row_name";

/**
 * One name per column from the rows of a header. In all rows but the last, a blank cell continues the one
 * on its left, as a merged cell does; it ends where a cell above begins. A column's name is its cells from
 * top to bottom, without blank ones and without repetitions: `2024 / Q1`.
 */
export function joinHeader(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(0, ...rows.map((row) => row.length));
  const parts = Array.from({ length: width }, (): string[] => []);
  const begins = new Array<boolean>(width).fill(false);
  rows.forEach((row, index) => {
    let left = "";
    for (let column = 0; column < width; column++) {
      const own = (row[column] ?? "").trim();
      begins[column] ||= own !== "";
      if (own !== "" || index === rows.length - 1 || begins[column]) left = own;
      if (left !== "" && parts[column]!.at(-1) !== left) parts[column]!.push(left);
    }
  });
  return parts.map((names) => names.join(BETWEEN));
}

/** The names with one before them for the row names, different from all others. */
export function withRowName(names: readonly string[]): string[] {
  let name = ROW_NAME;
  for (let n = 2; names.includes(name); n++) name = `${ROW_NAME}_${n}`;
  return [name, ...names];
}
