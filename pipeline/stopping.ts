import type { Clock } from './clock.ts';
import { asPipelineError } from './errors.ts';
import type { Place } from './place.ts';
import type { Logger } from './telemetry/logger.ts';

/** How long after its deadline a component that does not stop is left behind, ms. */
const GRACE_MS = 250;

export interface StoppingParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Stops what is at these places, all at once. Whether each came to its end, and lost nothing: what is wrong is logged by
 * its name, and keeps nobody waiting for longer than `deadline` and a moment.
 */
export async function stopAll(
  places: readonly Place[],
  deadline: AbortSignal,
  { clock, logger }: StoppingParts,
): Promise<boolean> {
  const isClean = await Promise.all(
    places.map(async ({ id, component }) => {
      const over = new AbortController();
      try {
        const stopped = async () => {
          await component.stop(deadline);
          return true;
        };
        if (await Promise.race([stopped(), late(deadline, clock, over.signal)])) return true;
        logger.error({ component: id }, 'left behind: it had not stopped when its time was over');
      } catch (thrown) {
        const { code, message, row } = asPipelineError(thrown);
        logger.error({ component: id, code, todo: row.todo }, `not stopped cleanly: ${message}`);
      } finally {
        over.abort();
      }
      return false;
    }),
  );
  return isClean.every(Boolean);
}

/** Resolves a moment after the deadline, or when it is over. */
async function late(deadline: AbortSignal, clock: Clock, over: AbortSignal): Promise<false> {
  await aborted(AbortSignal.any([deadline, over]));
  await clock.sleep(GRACE_MS, over);
  return false;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** A deadline `ms` from now. Call `clear` when it is of no use any more. */
export function deadlineIn(ms: number, clock: Clock): { readonly signal: AbortSignal; clear(): void } {
  const deadline = new AbortController();
  const over = new AbortController();
  void clock.sleep(ms, over.signal).then(() => {
    if (!over.signal.aborted) deadline.abort();
  });
  return { signal: deadline.signal, clear: () => over.abort() };
}
