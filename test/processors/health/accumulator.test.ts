import { expect, test } from 'vitest';
import type { Tag } from '../../../pipeline/tag.ts';
import { Accumulator } from '../../../processors/health/accumulator.ts';
import type { OperationTable } from '../../../processors/health/operations.ts';

const TAG: Tag = {
  namespace: '',
  service: 'checkout',
  environment: '',
  serviceKey: '/checkout/',
  version: '1',
  source: 'service.version',
  instance: 'a',
  taggedResource: new Uint8Array(),
  attributes: [],
};

test('a resource may have as many series in one slot as the limit lets it have', async () => {
  const series = 300_000;
  const accumulator = new Accumulator('test', 200, series);
  const resource = accumulator.resource(TAG);
  const names = Array.from({ length: 4000 }, (_, i) => resource.names.intern(`callee ${i}`));
  for (let i = 0; i < series; i++)
    resource.named(1, Math.floor(i / names.length), 'calls', names[i % names.length] ?? 0);
  expect(accumulator.seriesCount).toBe(series);
  const [delta] = await accumulator.flush();
  expect(delta?.series.length).toBe(series);
});

test('operations are learnt anew where those of all services take too much', async () => {
  const accumulator = new Accumulator('test', 200, 1000);
  const learn = (serviceKey: string): OperationTable => {
    const { operations } = accumulator.resource({ ...TAG, serviceKey });
    for (let i = 0; i < 200; i++) {
      const name = Buffer.from(`${i} `.padEnd(1000, 'x'));
      operations.intern(name, 0, 500, 500, 500);
    }
    return operations;
  };
  const first = learn('first');
  await accumulator.flush();
  expect(accumulator.resource({ ...TAG, serviceKey: 'first' }).operations).toBe(first);
  const services = Math.ceil((128 * 2 ** 20) / first.bytes);
  for (let i = 0; i < services; i++) learn(`${i}`);
  await accumulator.flush();
  expect(accumulator.resource({ ...TAG, serviceKey: 'first' }).operations).not.toBe(first);
});
