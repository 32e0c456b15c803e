import { describe, expect, test } from 'vitest';
import type { Batch } from '../../pipeline/batch.ts';
import type { Consumer } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Fanout, Wiring } from '../../pipeline/fanout.ts';
import { health, telemetry } from '../support/pipeline.ts';

function fanout(...branches: { consumer: Consumer; mutates?: boolean }[]): Fanout {
  const made = new Fanout();
  for (const { consumer, mutates = false } of branches) made.add({ consumer, mutates });
  return made;
}

function keeper(): { consumer: Consumer; got: Batch[] } {
  const got: Batch[] = [];
  return { got, consumer: { consume: async (batch) => void got.push(batch) } };
}

function refuses(error: unknown): { consumer: Consumer } {
  const consume = async () => {
    throw error;
  };
  return { consumer: { consume } };
}

describe('who gets what', () => {
  test('a branch that changes batches gets a fork, if others see the batch too', async () => {
    const [a, b, changing] = [keeper(), keeper(), keeper()];
    const batch = telemetry(1);
    await fanout(a, { ...changing, mutates: true }, b).consume(batch);
    expect([a.got[0], b.got[0]]).toEqual([batch, batch]);
    expect(a.got[0]).toBe(batch);
    expect(changing.got[0]).not.toBe(batch);
    expect((changing.got[0] as typeof batch).bytes).toBe(batch.bytes);
  });

  test('several that change get one each', async () => {
    const [a, b] = [keeper(), keeper()];
    await fanout({ ...a, mutates: true }, { ...b, mutates: true }).consume(telemetry(1));
    expect(a.got[0]).not.toBe(b.got[0]);
  });

  test('the only branch gets the batch itself', async () => {
    const only = keeper();
    const batch = telemetry(1);
    await fanout({ ...only, mutates: true }).consume(batch);
    expect(only.got[0]).toBe(batch);
  });

  test('deltas and decisions are never changed, and never forked', async () => {
    const [a, b] = [keeper(), keeper()];
    const batch = health(1);
    await fanout({ ...a, mutates: true }, b).consume(batch);
    expect([a.got[0], b.got[0]].every((got) => got === batch)).toBe(true);
  });

  test('nobody takes and forgets', async () => {
    await expect(fanout().consume(telemetry(1))).resolves.toBeUndefined();
  });
});

describe('failures', () => {
  const permanent = new PipelineError('rejected', 'for good');
  const brief = new PipelineError('queue_full', 'for now', { retryAfterMs: 1000 });
  const long = new PipelineError('busy', 'for long', { retryAfterMs: 9000 });
  const open = new PipelineError('unreachable', 'for now');

  test('the others have their batch all the same', async () => {
    const last = keeper();
    await expect(fanout(refuses(permanent), last).consume(telemetry(1))).rejects.toBe(permanent);
    expect(last.got).toHaveLength(1);
  });

  test.each([
    ['a retryable one before a permanent one', [permanent, brief], brief],
    ['the longest pause', [open, brief, long, permanent], long],
    ['the first of equals', [open, new PipelineError('timeout', 'too')], open],
    ['the first permanent one', [permanent, new PipelineError('malformed', 'too')], permanent],
  ])('of several: %s', async (_, errors, expected) => {
    await expect(fanout(...errors.map(refuses)).consume(telemetry(1))).rejects.toBe(expected);
  });

  test('what is no PipelineError is a defect', async () => {
    const broken = fanout(refuses(new TypeError('no such thing')), keeper());
    await expect(broken.consume(telemetry(1))).rejects.toMatchObject({ code: 'internal', detail: 'no such thing' });
  });

  test('a branch that throws at once does not keep the batch from the others', async () => {
    const last = keeper();
    const throws: Consumer = {
      consume() {
        throw new PipelineError('rejected', 'at once');
      },
    };
    await expect(fanout({ consumer: throws }, last).consume(telemetry(1))).rejects.toMatchObject({ code: 'rejected' });
    expect(last.got).toHaveLength(1);
  });

  test('waits for all of them', async () => {
    const end = Promise.withResolvers<void>();
    let isOver = false;
    const slow = { consumer: { consume: () => end.promise } };
    const consumed = fanout(refuses(permanent), slow)
      .consume(telemetry(1))
      .catch(() => {
        isOver = true;
      });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    end.resolve();
    await consumed;
    expect(isOver).toBe(true);
  });
});

test('outlets: somebody listens once a branch is there', () => {
  const wiring = new Wiring();
  wiring.to('traces');
  expect(wiring.has('traces')).toBe(false);
  wiring.to('traces').add({ ...keeper(), mutates: false });
  expect([wiring.has('traces'), wiring.has('logs')]).toEqual([true, false]);
  expect(wiring.to('traces')).toBe(wiring.to('traces'));
});

test('what is closed refuses what waits and what comes, by outlets that are made later too', async () => {
  const { consumer, got } = keeper();
  const wiring = new Wiring();
  wiring.connect(new Map([['traces', { branches: [{ consumer, mutates: false }] }]]));
  wiring.to('traces').hold();
  const waiting = wiring.to('traces').consume(telemetry(1));
  wiring.close();
  await expect(waiting).rejects.toMatchObject({ code: 'reconfigured' });
  await expect(wiring.to('traces').consume(telemetry(1))).rejects.toMatchObject({ code: 'reconfigured' });
  await expect(wiring.to('health').consume(health(1))).rejects.toMatchObject({ code: 'reconfigured' });
  expect(got).toEqual([]);
});
