import { expect, test } from 'vitest';
import { WaitingEvents } from '../../../processors/verdict/waiting-events.ts';
import type { DeploymentEvent } from '../../../proto/windback/health.ts';

function announced(version: string, atSeconds: number, status = 'started'): DeploymentEvent {
  const names = { namespace: '', service: 'checkout', environment: '' };
  return { ...names, version, previousVersion: '1', status, weight: null, atSeconds };
}

test('events come out by their time, then by what they say, whatever came first and however it was saved', () => {
  const events = [announced('3', 7), announced('2', 7), announced('2', 7, 'succeeded'), announced('9', 5)];
  const ordered = [events[3], events[1], events[0], events[2]];
  for (const given of [events, events.toReversed()]) {
    const [added, restored] = [new WaitingEvents(), new WaitingEvents()];
    for (const event of given) expect(added.add(event)).toBe(true);
    expect(added.slots).toEqual([5, 7, 7, 7]);
    restored.restore(given);
    expect(restored.take(8)).toEqual(ordered);
    restored.restore(added.save());
    expect(restored.take(7)).toEqual([events[3]]);
    expect(added.take(8)).toEqual(ordered);
    expect(added.take(8)).toEqual([]);
  }
});

test('of very many the first ones wait, without all being put into order for each', () => {
  const long = 'x'.repeat(400);
  const events = Array.from({ length: 50_000 }, (_, i) => announced(`${long}${10_000 + ((i * 7919) % 50_000)}`, 7));
  const waiting = new WaitingEvents();
  expect(events.filter((event) => !waiting.add(event)).length).toBe(50_000 - 100);
  const versions = waiting.take(8).map(({ version }) => Number(version.slice(long.length)));
  expect(versions).toEqual(Array.from({ length: 100 }, (_, i) => 10_000 + i));
});
