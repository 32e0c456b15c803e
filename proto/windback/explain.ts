import type { DecisionEvent } from './decision.ts';

/** Everything that a decision rests on, on one page of at most 100 columns of plain text. */
export function explain({ data }: DecisionEvent): string {
  return `${data.reason}\n`;
}
