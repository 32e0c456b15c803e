/** Something that takes bytes from outside. */
export interface Target {
  readonly name: string;
  /** Inputs that are right, or nearly so, from which others are made. */
  readonly seeds: readonly Uint8Array[];
  /** Pieces that a change may put in: words of the format, which chance would not find. */
  readonly words?: readonly string[];
  /** Throws, or rejects, where the input did what no input may do: refusing it in the way that is promised is none of that. */
  run(input: Uint8Array): void | Promise<void>;
}

/** Runs `work`; what it throws is fine where it is one of those. */
export function allowing(kinds: readonly (new (...args: never[]) => Error)[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!kinds.some((kind) => error instanceof kind)) throw error;
  }
}
