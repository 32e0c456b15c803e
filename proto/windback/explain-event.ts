import type { Decision, DecisionEvent } from './decision.ts';

/** What an event may lack: some fields came after the first events were written, and these are explained too. */
interface Later extends Partial<Pick<Decision, 'operations' | 'exemplars' | 'guards'>> {
  readonly baseline_kind?: 'concurrent' | 'historical' | 'chosen';
  readonly blame?: readonly {
    readonly service: string;
    readonly candidate: string;
    readonly verdict: string;
    readonly why_not: string;
  }[];
  readonly signatures?: readonly { readonly signature: string; readonly count: number }[];
  readonly inconclusive?: string | null;
}

/** What is explained: all of a decision but its explanation. */
export type Explainable = Pick<DecisionEvent, 'id' | 'subject'> & { readonly data: ExplainableData };
export type ExplainableData = Omit<Decision, keyof Later | 'explanation'> & Later;
