import { expect, test } from 'vitest';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Consumer } from '../../pipeline/component.ts';
import { Door, Entrance } from '../../pipeline/door.ts';
import { settled, telemetry } from '../support/pipeline.ts';

const busy = new PipelineError('busy', '');

function made(consumer: Consumer): { door: Door; entrance: Entrance } {
  const door = new Door();
  const entrance = new Entrance(door);
  entrance.lead(consumer);
  return { door, entrance };
}

test('a door counts what is inside, however it is answered, and tells when all is', async () => {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const answers = [first.promise, second.promise];
  const { door, entrance } = made({ consume: () => answers.shift() ?? Promise.resolve() });
  const consumed = [entrance.consume(telemetry(1)), entrance.consume(telemetry(1))];
  await entrance.consume(telemetry(1));
  expect(door.inside).toBe(2);
  let isEmpty: boolean | undefined;
  const emptied = door.empty(new AbortController().signal).then((answer) => (isEmpty = answer));
  first.resolve();
  await settled();
  expect([door.inside, isEmpty]).toEqual([1, undefined]);
  second.reject(busy);
  await expect(consumed[1]).rejects.toBe(busy);
  await emptied;
  expect([door.inside, isEmpty]).toEqual([0, true]);
});

test('who throws at once has refused', async () => {
  const { door, entrance } = made({
    consume() {
      throw busy;
    },
  });
  await expect(entrance.consume(telemetry(1))).rejects.toBe(busy);
  expect(door.inside).toBe(0);
});

test('at the deadline it tells that it is not', async () => {
  const { door, entrance } = made({ consume: () => new Promise(() => {}) });
  void entrance.consume(telemetry(1));
  const deadline = new AbortController();
  const emptied = door.empty(deadline.signal);
  deadline.abort();
  expect([await emptied, await door.empty(deadline.signal)]).toEqual([false, false]);
});
