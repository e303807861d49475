import { InvalidArgumentError } from "commander";

/** Parses a number ≥ `least`. @throws InvalidArgumentError, which commander prints with the option's name */
export function numberFrom(least: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (!Number.isFinite(value) || value < least) throw new InvalidArgumentError(`use a number of at least ${least}`);
    return value;
  };
}

/** Parses a whole number from `least` to `most`. @throws InvalidArgumentError, which commander prints */
export function wholeFrom(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = numberFrom(least)(text);
    if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("use a whole number");
    if (value > most) throw new InvalidArgumentError(`use a number from ${least} to ${most}`);
    return value;
  };
}
