import { InvalidArgumentError } from "commander";

/** A number of a command line, from `least` on. @throws InvalidArgumentError, which commander prints with the option's name */
export function numberFrom(least: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (!Number.isFinite(value) || value < least) throw new InvalidArgumentError(`give a number from ${least} on`);
    return value;
  };
}

/** A whole number of a command line, from `least` on, up to `most` if there is a most. @throws InvalidArgumentError, as above */
export function wholeFrom(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = numberFrom(least)(text);
    if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("give a whole number");
    if (value > most) throw new InvalidArgumentError(`give a number from ${least} to ${most}`);
    return value;
  };
}
