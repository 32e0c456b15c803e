import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../pipeline/clock.ts';
import { buildGraph, type Graph } from '../../pipeline/graph.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { testContext } from '../support/context.ts';
import { Journal, journalTable, loadYaml, telemetry } from '../support/pipeline.ts';

const COMPONENTS = `receivers: {source: , source/two: }
processors: {pass: , change: , fold: , judge: }
exporters: {sink: , sink/two: , queued: }
service:
  pipelines:
`;

function build(...pipelines: string[]): { journal: Journal; graph: Graph } {
  const journal = new Journal();
  const yaml = COMPONENTS + pipelines.map((line) => `    ${line}\n`).join('');
  const contextOf = (id: string) => testContext(id, { clock: new ManualClock() });
  const graph = buildGraph(loadYaml(yaml, journalTable(journal)), contextOf, new Meter(METRICS));
  return { journal, graph };
}

const ids = (instances: Graph['processors']): string[] => instances.map(({ id }) => id);

describe('instances', () => {
  test('one of a receiver and an exporter, whatever the number of pipelines', () => {
    const { graph } = build(
      'traces: {receivers: [source], exporters: [sink]}',
      'traces/eu: {receivers: [source], exporters: [sink]}',
      'logs: {receivers: [source, source/two], exporters: [sink/two]}',
    );
    expect([ids(graph.receivers), ids(graph.exporters)]).toEqual([
      ['source', 'source/two'],
      ['sink', 'sink/two'],
    ]);
  });

  test('unnamed pipelines share a processor, each name has its own', () => {
    const { graph } = build(
      ...['traces', 'logs', 'traces/eu', 'logs/eu', 'metrics/us'].map(
        (id) => `${id}: {receivers: [source], processors: [pass], exporters: [sink]}`,
      ),
    );
    expect(new Set(ids(graph.processors))).toEqual(new Set(['pass', 'pass@eu', 'pass@us']));
    expect(graph.processors).toHaveLength(3);
  });

  test('what no pipeline uses is not made', () => {
    const { graph } = build('traces: {receivers: [source], exporters: [sink]}');
    expect([ids(graph.receivers), ids(graph.processors), ids(graph.exporters)]).toEqual([['source'], [], ['sink']]);
  });

  test('each comes before whoever hands it batches, within a pipeline and between pipelines', () => {
    const { graph } = build(
      'traces: {receivers: [source], processors: [pass, change, fold], exporters: [sink]}',
      'decisions: {receivers: [fold], processors: [judge], exporters: [sink]}',
    );
    expect(ids(graph.processors)).toEqual(['judge', 'fold', 'change', 'pass']);
  });
});

describe('the way of a batch', () => {
  test('through the processors in order to every exporter, each signal in its own pipeline', async () => {
    const { journal } = build(
      'traces: {receivers: [source], processors: [pass, change], exporters: [sink, sink/two]}',
      'logs: {receivers: [source], processors: [change, pass], exporters: [sink]}',
    );
    await journal.outlets.get('source')?.to('traces').consume(telemetry(1));
    expect(journal.batches.map(({ id }) => id)).toEqual(['pass', 'change', 'sink', 'sink/two']);
    journal.batches.length = 0;
    await journal.outlets.get('source')?.to('logs').consume(telemetry(1, 'logs'));
    expect(journal.batches.map(({ id }) => id)).toEqual(['change', 'pass', 'sink']);
    expect(journal.outlets.get('source')?.has('metrics')).toBe(false);
  });

  test('pipelines that change get a fork, those that only read share the batch', async () => {
    const { journal } = build(
      'traces: {receivers: [source], processors: [pass], exporters: [sink]}',
      'traces/changed: {receivers: [source], processors: [pass, change], exporters: [sink/two]}',
    );
    const batch = telemetry(1);
    await journal.outlets.get('source')?.to('traces').consume(batch);
    expect(journal.at('sink')[0]).toBe(batch);
    expect(journal.at('pass@changed')[0]).not.toBe(batch);
    expect(journal.at('sink/two')[0]).toBe(journal.at('pass@changed')[0]);
  });

  test('a pipeline is not forked for when it is the only one', async () => {
    const { journal } = build('traces: {receivers: [source], processors: [change], exporters: [sink, sink/two]}');
    const batch = telemetry(1);
    await journal.outlets.get('source')?.to('traces').consume(batch);
    expect(journal.at('sink')[0]).toBe(batch);
    expect(journal.at('sink/two')[0]).toBe(batch);
  });

  test('a processor that is a source feeds the pipelines that list it, from every pipeline it runs in', async () => {
    const { journal } = build(
      'traces: {receivers: [source], processors: [fold], exporters: [sink]}',
      'traces/eu: {receivers: [source/two], processors: [fold], exporters: [sink]}',
      'decisions: {receivers: [fold], processors: [judge], exporters: [sink/two]}',
      'health: {receivers: [fold], exporters: [queued]}',
    );
    await journal.outlets.get('source')?.to('traces').consume(telemetry(1));
    await journal.outlets.get('source/two')?.to('traces').consume(telemetry(2));
    expect(journal.at('judge').map(({ signal, items }) => [signal, items])).toEqual([
      ['health', 1],
      ['health', 2],
    ]);
    expect(journal.at('sink/two').map(({ signal }) => signal)).toEqual(['decisions', 'decisions']);
    expect(journal.at('queued').map(({ signal }) => signal)).toEqual(['health', 'health']);
  });

  test("deltas that nobody listens to are nobody's", () => {
    const { journal } = build('traces: {receivers: [source], processors: [fold], exporters: [sink]}');
    expect(journal.outlets.get('fold')?.has('health')).toBe(false);
  });
});
