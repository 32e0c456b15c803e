import type { PartialSuccess } from '../proto/otlp/export.ts';
import type { Context } from './component.ts';
import { PipelineError } from './errors.ts';

/** Longer messages of a destination are cut. */
const MESSAGE_CHARS_MAX = 500;

/**
 * Looks at what a destination says in an answer of success (OTLP, Partial Success). A warning is logged. Throws
 * `rejected`, with the number of items, where it refused a part: the specification forbids to send that again.
 */
export function checkPartialSuccess({ rejected, message }: PartialSuccess, { logger }: Context): void {
  const answer = message.slice(0, MESSAGE_CHARS_MAX);
  if (rejected > 0) {
    throw new PipelineError('rejected', `a part of a request, of which it says: ${answer}`, { items: rejected });
  }
  if (answer !== '') logger.warn({ answer }, 'the destination accepted everything, with a warning');
}
