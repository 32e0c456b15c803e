/** Clients that send a body and say what became of it, whatever that is: one connection each. */

/** One request's end, as a client sees it. */
export interface Outcome {
  /** `OK`, a gRPC status or an HTTP status by its name, or what went wrong without an answer: `timeout`, `ECONNRESET`. */
  readonly status: string;
  readonly kind: 'taken' | 'refused' | 'failed';
  /** Whether a refusal says when to come again: RetryInfo, or Retry-After. */
  readonly saysWhen: boolean;
}

export interface Lane {
  /** How many requests more it can begin now. */
  readonly room: number;
  /** Sends a body; `over` is called once. */
  send(body: Buffer, timeoutMs: number, over: (outcome: Outcome) => void): void;
  close(): void;
}

export function failed(status: string): Outcome {
  return { status, kind: 'failed', saysWhen: false };
}
