/** Clients that send a body and say what became of it, whatever that is: one connection each. */
import type { Outcome } from './answers.ts';

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
