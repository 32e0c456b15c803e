import { expect, test } from 'vitest';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { observeProcess } from '../../../pipeline/telemetry/process.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';

const HELP = { a_total: 'As.', b: 'Bs.' };

/** The series in the text, without comments. */
async function series(meter: Meter): Promise<string[]> {
  return (await meter.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

test('a counter is there from the start, and the same for the same labels', async () => {
  const meter = new Meter(HELP);
  const first = meter.counter('a_total', { x: '1' });
  expect(await series(meter)).toEqual(['a_total{x="1"} 0']);
  first.add(2);
  meter.counter('a_total', { x: '1' }).add(3);
  meter.counter('a_total', { x: '2' }).add(1);
  expect(await series(meter)).toEqual(['a_total{x="1"} 5', 'a_total{x="2"} 1']);
});

test('a gauge can be removed', async () => {
  const meter = new Meter(HELP);
  const level = meter.gauge('b', { x: '1' });
  level.set(4);
  expect(await series(meter)).toEqual(['b{x="1"} 4']);
  level.remove();
  expect(await series(meter)).toEqual([]);
});

test('an observed gauge is read when somebody looks', async () => {
  const meter = new Meter(HELP);
  let value = 1;
  meter.observe('b', {}, () => value);
  value = 7;
  expect(await series(meter)).toEqual(['b 7']);
});

test('the text carries the meaning', async () => {
  const meter = new Meter(HELP);
  meter.counter('a_total');
  expect(await meter.text()).toContain('# HELP a_total As.\n# TYPE a_total counter\n');
});

test('label values are escaped', async () => {
  const meter = new Meter(HELP);
  meter.counter('a_total', { x: 'say "hi"\\\n' });
  expect(await series(meter)).toEqual(['a_total{x="say \\"hi\\"\\\\\\n"} 0']);
});

test('a name that is not in the table is a defect', () => {
  expect(() => new Meter(HELP).counter('c')).toThrow('metric c is not in the table of metrics');
});

test.each([{ x: '1' }, { x: '1', y: '2', z: '3' }, {}, { x: '1', z: '2' }])(
  'all series of a name have the same label names, unlike %j',
  (labels) => {
    const meter = new Meter(HELP);
    meter.counter('a_total', { x: '1', y: '2' });
    expect(() => meter.counter('a_total', { y: '3', x: '4' })).not.toThrow();
    expect(() => meter.counter('a_total', labels as Record<string, string>)).toThrow(
      /^metric a_total has the labels x, y, not /,
    );
  },
);

test('the process: CPU time counts up from its start', async () => {
  const meter = new Meter(METRICS);
  observeProcess(meter);
  const read = async () => Object.fromEntries((await series(meter)).map((line) => line.split(' ')));
  const first = await read();
  expect(Object.keys(first).toSorted()).toEqual([
    'windback_process_cpu_seconds_total',
    'windback_process_memory_rss_bytes',
    'windback_process_uptime_seconds',
  ]);
  const cpu = process.cpuUsage();
  const now = Number((await read())['windback_process_cpu_seconds_total']);
  expect(now).toBeGreaterThanOrEqual((cpu.user + cpu.system) / 1e6 - 1e-6);
  expect(Number(first['windback_process_memory_rss_bytes'])).toBeGreaterThan(1e6);
});
