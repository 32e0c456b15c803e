/** What the worker is told, and what it tells. */
export interface FuzzJob {
  readonly seed: number;
  /** Only targets whose name has this in it. */
  readonly only: string;
  /** When to end, ms since the epoch. */
  readonly untilMs: number;
  /** Two numbers of 32 bits: which input of which target is being run. */
  readonly progress: SharedArrayBuffer;
  /** The module of which `allTargets` gives the targets. */
  readonly module: string;
}

export const AT_TARGET = 0;
export const AT_INDEX = 1;

/** An input that did what none may do. */
export interface Found {
  readonly target: string;
  readonly index: number;
  /** Base64. */
  readonly input: string;
  readonly stack: string;
}

export type Told =
  | { readonly names: readonly string[] }
  | { readonly found: Found }
  | { readonly ran: { readonly target: string; readonly inputs: number } }
  | { readonly done: true };
