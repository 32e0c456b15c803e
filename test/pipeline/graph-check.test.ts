import { describe, expect, test } from 'vitest';
import { ConfigError, formatProblems } from '../../pipeline/config/report.ts';
import { flowOf } from '../../pipeline/graph-check.ts';
import { Journal, journalTable, loadYaml } from '../support/pipeline.ts';

/** Components on lines 1 to 3, so that pipelines stand from line 6 on. */
const COMPONENTS = `receivers: {source: , deltas: , decider: }
processors: {pass: , change: , late: , traces_only: , fold: , judge: , judge/two: }
exporters: {sink: , traces_sink: , queued: }
service:
  pipelines:
`;

function problems(...pipelines: string[]): string[] {
  const yaml = COMPONENTS + pipelines.map((line) => `    ${line}\n`).join('');
  try {
    loadYaml(yaml, journalTable(new Journal()));
    return [];
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return formatProblems(thrown.problems).split('\n');
  }
}

const FOLDED = 'traces: {receivers: [source], processors: [fold], exporters: [sink]}';

describe('a possible graph has no problems', () => {
  test.each([
    [['traces: {receivers: [source], exporters: [sink]}']],
    [['traces: {receivers: [source], processors: [pass, late, change], exporters: [sink, traces_sink]}']],
    [[FOLDED, 'decisions: {receivers: [fold], processors: [judge], exporters: [sink]}']],
    [[FOLDED, 'health: {receivers: [fold, deltas], exporters: [queued]}']],
    [['decisions: {receivers: [decider], exporters: [sink]}']],
    [
      [
        FOLDED,
        'decisions: {receivers: [fold], processors: [judge], exporters: [sink]}',
        'decisions/two: {receivers: [judge], exporters: [sink]}',
      ],
    ],
  ])('%j', (pipelines) => {
    expect(problems(...pipelines)).toEqual([]);
  });
});

describe('an impossible one has each with its place', () => {
  test.each([
    [
      'a receiver that does not emit the signal',
      ['logs: {receivers: [source, deltas], exporters: [sink]}'],
      ['config.yaml:6:32: service.pipelines.logs.receivers: deltas does not emit logs; it emits health'],
    ],
    [
      'a decisions pipeline of telemetry',
      ['decisions: {receivers: [source], processors: [judge], exporters: [sink]}'],
      [
        'config.yaml:6:29: service.pipelines.decisions.receivers: source does not emit health or decisions; it emits traces, metrics, logs',
      ],
    ],
    [
      'receivers of different signals',
      ['decisions: {receivers: [deltas, decider], exporters: [sink]}'],
      [
        'config.yaml:6:5: service.pipelines.decisions.receivers: its receivers emit different signals, some health and some decisions; make two pipelines of it',
      ],
    ],
    [
      'a processor that cannot take the signal',
      ['logs: {receivers: [source], processors: [pass, traces_only], exporters: [sink]}'],
      [
        'config.yaml:6:52: service.pipelines.logs.processors: traces_only cannot take logs; it takes traces; take it out or move it',
      ],
    ],
    [
      'an exporter that cannot take the signal',
      ['metrics: {receivers: [source], exporters: [sink, traces_sink]}'],
      ['config.yaml:6:54: service.pipelines.metrics.exporters: traces_sink cannot take metrics; it takes traces'],
    ],
    [
      'decisions without a judge',
      [FOLDED, 'decisions: {receivers: [fold], exporters: [queued]}'],
      ['config.yaml:7:5: service.pipelines.decisions: ends with health, not decisions; add the verdict processor'],
    ],
    [
      'health that ends with decisions',
      [FOLDED, 'health: {receivers: [fold], processors: [judge], exporters: [sink]}'],
      ['config.yaml:7:5: service.pipelines.health: ends with decisions, not health; name it decisions'],
    ],
    [
      'a processor before the one it needs',
      ['traces: {receivers: [source], processors: [late, pass], exporters: [sink]}'],
      [
        'config.yaml:6:48: service.pipelines.traces.processors: late needs pass before it; put pass earlier in this list',
      ],
    ],
    [
      'deltas of a processor that nobody runs',
      ['decisions: {receivers: [fold], processors: [judge], exporters: [sink]}'],
      [
        'config.yaml:6:29: service.pipelines.decisions.receivers: nothing comes from fold: no pipeline has it as a processor; list fold under processors of the pipelines whose data it is to see',
      ],
    ],
    [
      'a pipeline that feeds itself',
      ['decisions: {receivers: [judge], processors: [judge], exporters: [sink]}'],
      [
        'config.yaml:6:5: service.pipelines.decisions: cycle: decisions -> decisions; let one of them end',
        'config.yaml:6:50: service.pipelines.decisions.processors: judge cannot take decisions; it takes health; take it out or move it',
      ],
    ],
    [
      'a cycle of two',
      [
        'decisions: {receivers: [judge/two], processors: [judge], exporters: [sink]}',
        'decisions/b: {receivers: [judge], processors: [judge/two], exporters: [sink]}',
      ],
      expect.arrayContaining([
        'config.yaml:6:5: service.pipelines.decisions: cycle: decisions -> decisions/b -> decisions; let one of them end',
      ]),
    ],
  ])('%s', (_, pipelines, expected) => {
    expect(problems(...pipelines)).toEqual(expected);
  });

  test('all of them at once', () => {
    expect(
      problems(
        'logs: {receivers: [deltas], exporters: [sink]}',
        'metrics: {receivers: [source], processors: [late], exporters: [traces_sink]}',
      ),
    ).toHaveLength(3);
  });
});

test('the signals along a pipeline', () => {
  const yaml = `${COMPONENTS}    ${FOLDED}\n    decisions: {receivers: [fold], processors: [judge], exporters: [sink]}\n`;
  const loaded = loadYaml(yaml, journalTable(new Journal()));
  expect(loaded.pipelines.map((pipeline) => flowOf(loaded, pipeline))).toEqual([
    ['traces', 'traces'],
    ['health', 'decisions'],
  ]);
});
