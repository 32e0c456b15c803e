import { expect, test } from 'vitest';
import { orAborted } from '../../pipeline/queue-entry.ts';

const never = (): Promise<never> => new Promise(() => {});

test('an attempt that is given up is not waited for, also where that was before it began', async () => {
  expect(await orAborted(Promise.resolve('sent'), new AbortController().signal)).toBe('sent');
  const stop = new AbortController();
  const attempt = orAborted(never(), stop.signal);
  stop.abort();
  await expect(attempt).rejects.toBe(stop.signal.reason);
  await expect(orAborted(never(), stop.signal)).rejects.toBe(stop.signal.reason);
  await expect(orAborted(Promise.reject(new Error('late')), stop.signal)).rejects.toBe(stop.signal.reason);
});
