import type { DecisionEvent } from '../proto/windback/decision.ts';
import { clean } from '../proto/windback/explain-words.ts';
import { PipelineError } from './errors.ts';

/** Ids that a message names at most. */
const IDS_SHOWN = 10;

/**
 * The decision whose id is `id`, or the only one whose id begins with it. Throws `api_not_found` or `api_conflict`, with
 * the ids that there are.
 */
export function chooseDecision(decisions: Iterable<DecisionEvent>, id: string): DecisionEvent {
  const all = new Map([...decisions].map((event) => [event.id, event]));
  const exact = all.get(id);
  if (exact !== undefined) return exact;
  const fitting = [...all.values()].filter((event) => id !== '' && event.id.startsWith(id));
  if (fitting.length === 1) return fitting[0] as DecisionEvent;
  if (fitting.length > 1) throw new PipelineError('api_conflict', `${id} begins the ids of ${listed(fitting)}`);
  if (all.size === 0) throw new PipelineError('api_not_found', `decision ${id}: none has been taken`);
  throw new PipelineError('api_not_found', `decision ${id}; those known are ${listed([...all.values()])}`);
}

function listed(events: readonly DecisionEvent[]): string {
  const shown = events.slice(0, IDS_SHOWN).map(({ id, subject, data }) => {
    return clean(`${id} (${data.decision} of ${subject} ${data.candidate.version})`);
  });
  const more = events.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
