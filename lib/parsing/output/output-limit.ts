import { TributaryError } from "../../errors.ts";

/** How much one file may become in the event log. */
export interface OutputLimits {
  /** Encoded rows and rejects of one file, in bytes. Beyond: FILE_EXPANDS_TOO_FAR. */
  encodedBytesMax: number;
  /** The same per stored byte of the file, checked beyond the first 100 MB. Beyond: FILE_EXPANDS_TOO_FAR. */
  encodedRatioMax: number;
}

/** Below this size a high ratio only means that the file is small or repetitive. */
const RATIO_FREE_BYTES = 100_000_000;

/** Counts the output of one reading of a file. */
export class OutputMeter {
  readonly #limits: OutputLimits;
  readonly #storedBytes: number | undefined;
  #bytes = 0;
  #isFull = false;

  /** `storedBytes`: size of the file as it is stored; undefined: only the absolute limit counts. */
  constructor(limits: OutputLimits, storedBytes: number | undefined) {
    this.#limits = limits;
    this.#storedBytes = storedBytes;
  }

  /** True once an output exceeded the limits. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * True if the output may be kept. False for every output after the one that exceeded the limits.
   * @throws FILE_EXPANDS_TOO_FAR for the output that exceeds the limits
   */
  takes(bytes: number): boolean {
    if (this.#isFull) return false;
    this.#bytes += bytes;
    const limit = this.#exceeded();
    if (limit === undefined) return true;
    this.#isFull = true;
    throw new TributaryError("FILE_EXPANDS_TOO_FAR", `the file's rows take more than ${limit} in the event log`);
  }

  #exceeded(): string | undefined {
    const { encodedBytesMax, encodedRatioMax } = this.#limits;
    if (this.#bytes > encodedBytesMax) return `${encodedBytesMax} bytes (TRIBUTARY_ENCODED_BYTES_MAX)`;
    const stored = this.#storedBytes;
    if (stored === undefined || this.#bytes <= RATIO_FREE_BYTES || this.#bytes <= encodedRatioMax * stored) {
      return undefined;
    }
    const ratio = `${encodedRatioMax} times the ${stored} bytes that are stored (TRIBUTARY_ENCODED_RATIO_MAX)`;
    return `${RATIO_FREE_BYTES} bytes and ${ratio}`;
  }
}
