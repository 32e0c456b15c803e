/** What is made of the figures: medians, ratios, criteria, tables, pictures. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CASES, type Case, casesNamed, SMOKE } from '../../bench/peers/cases.ts';
import { collector } from '../../bench/peers/collector.ts';
import { criteriaOf } from '../../bench/peers/criteria.ts';
import { DIMENSIONS, type GrowthPoint } from '../../bench/peers/growth.ts';
import { growthPlot, growthTable } from '../../bench/peers/growth-report.ts';
import { optionsOf } from '../../bench/peers/options.ts';
import { withTables } from '../../bench/peers/page.ts';
import { plotOf } from '../../bench/peers/plots.ts';
import { cpuSecondsOf } from '../../bench/peers/process-usage.ts';
import type { CaseResult, Measured, Result } from '../../bench/peers/result.ts';
import { rotel } from '../../bench/peers/rotel.ts';
import { ratioOf, spreadOf } from '../../bench/peers/statistics.ts';
import type { SystemName } from '../../bench/peers/system.ts';
import { comparisonTable, tablesOf } from '../../bench/peers/tables.ts';
import { windback } from '../../bench/peers/windback.ts';
import { loadComponents } from '../../cmd/components.ts';
import { loadConfig } from '../../pipeline/config/load.ts';

const PLACES = { grpcPort: 4317, httpPort: 4318, sink: { grpc: 5317, http: 5318 }, folder: '/nowhere', isPinned: true };

describe('arithmetic', () => {
  it('takes the middle, or the mean of the middle two', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10 });
    expect(spreadOf([5])).toEqual({ median: 5, min: 5, max: 5 });
    expect(() => spreadOf([])).toThrow();
  });

  it('compares pair by pair', () => {
    expect(ratioOf([10, 40, 30], [5, 10, 10])).toEqual({ median: 3, min: 2, max: 4 });
    expect(ratioOf([10, 40], [5])).toEqual({ median: 2, min: 2, max: 2 });
    expect(ratioOf([10], [])).toBeUndefined();
  });

  it('reads CPU time past any name of a process', () => {
    const stat = `7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 11 0 100`;
    expect(cpuSecondsOf(stat)).toBe(3);
  });
});

describe('cases', () => {
  it('have names of their own, and can be named', () => {
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
    expect(casesNamed([])).toEqual(CASES);
    expect(casesNamed(SMOKE)).toHaveLength(SMOKE.length);
    expect(casesNamed(['judge-*-8192']).map(({ name }) => name)).toContain('judge-http-gzip-8192');
    expect(() => casesNamed(['jugde-*'])).toThrow('there is no case jugde-*');
  });

  it.each(CASES.map((one) => [one.name, one] as const))('%s: Windback takes its configuration', async (_, one) => {
    const [text = ''] = Object.values(windback.launch({ ...one, encoding: able(one) }, PLACES).files);
    const loaded = loadConfig({ sources: ['text'], sets: [], env: {}, readFile: () => text }, await loadComponents());
    expect(loaded.warnings).toEqual([]);
  });

  it('ask the same of the others', () => {
    const one = casesNamed(['tag-http-gzip-512'])[0] as Case;
    const config = parse(Object.values(collector.launch(one, PLACES).files)[0] ?? '');
    expect(config.exporters.otlp_http).toMatchObject({ endpoint: 'http://127.0.0.1:5318', compression: 'gzip' });
    expect(config.service.pipelines.traces).toMatchObject({ processors: ['transform'], exporters: ['otlp_http'] });
    expect(rotel.launch(one, PLACES).args).toEqual(
      expect.arrayContaining(['--otlp-exporter-protocol', 'http', '--disable-batching']),
    );
  });

  it('are chosen by options, which tell what is wrong', () => {
    expect(optionsOf([])).toMatchObject({ rounds: 3, systems: ['windback', 'collector', 'rotel'], isGrowth: false });
    expect(optionsOf(['--smoke'])).toMatchObject({ rounds: 1, isSmoke: true, cases: casesNamed(SMOKE) });
    expect(() => optionsOf(['--systems', 'windbag'])).toThrow(
      '--systems wants windback, collector, rotel, not "windbag"; did you mean windback?',
    );
    expect(() => optionsOf(['--rounds', '0'])).toThrow('--rounds');
  });
});

/** The encoding of a case, where Windback can send it. */
function able(one: Case): Case['encoding'] {
  return windback.cannot(one) === undefined ? one.encoding : 'identity';
}

function measured(system: SystemName, rates: readonly number[], peakMib: number): Measured {
  const rounds = rates.map((itemsPerCpuSecond) => ({
    items: 1000,
    bytesPerItem: 490,
    bytesPerItemOut: 510,
    itemsPerCpuSecond,
    itemsPerSecond: itemsPerCpuSecond,
    serverCores: 1,
    generatorCores: 0.25,
    sinkCores: 0.125,
    p50: 2,
    p99: 9,
  }));
  return { system, rounds, readyMs: 300, peakRssBytes: peakMib * 1024 ** 2 };
}

function resultOf(cases: readonly CaseResult[]): Result {
  const machine = { cpu: 'a | CPU', cores: 2, memoryGib: 8, kernel: '6.1', node: 'v24' };
  return { date: '2025-01-02T03:04:05Z', machine, isPinned: true, rounds: 2, seconds: 1, cases };
}

const JUDGED: CaseResult = {
  one: casesNamed(['judge-grpc-512'])[0] as Case,
  pinned: [measured('windback', [2_000_000, 1_800_000], 100), measured('collector', [400_000, 450_000], 90)],
  unpinned: [],
  without: { rotel: 'it counts nothing by version' },
};
const TAGGED: CaseResult = {
  one: casesNamed(['tag-grpc-gzip-512'])[0] as Case,
  pinned: [measured('windback', [100_000], 60), measured('collector', [90_000], 90), measured('rotel', [90_000], 30)],
  unpinned: [measured('windback', [200_000], 60)],
  without: {},
};

describe('report', () => {
  const result = resultOf([JUDGED, TAGGED]);

  it('says which criteria are met', () => {
    expect(criteriaOf(result).map(({ isMet, seen }) => [isMet, seen])).toEqual([
      [true, '4.50 times (4.00 to 5.00)'],
      [false, '1.11 times (1.11 to 1.11)'],
      [true, '1.11 times (1.11 to 1.11)'],
      [false, '100 against 90 MiB'],
      [true, '60 against 90 MiB'],
      [true, '300 ms (300 to 300 over 2 starts)'],
    ]);
  });

  it('does not take what was not measured for a failure', () => {
    const alone = resultOf([{ ...TAGGED, pinned: TAGGED.pinned.slice(0, 1) }]);
    expect(criteriaOf(alone).map(({ isMet }) => isMet)).toEqual([undefined, undefined, undefined, true]);
  });

  it('has a row for each system, and the reason where one has no figures', () => {
    expect(comparisonTable(result, 'judge').split('\n').slice(2)).toEqual([
      '| gRPC, 512 spans | Windback | 1.900 (1.800 to 2.000) | 4.50 (4.00 to 5.00) | 1.900 |  | 2.0, 9.0 | 100 | 300 | 0.25, 0.13 |',
      '|  | Collector | 0.425 (0.400 to 0.450) |  | 0.425 |  | 2.0, 9.0 | 90 | 300 | 0.25, 0.13 |',
      '|  | rotel | none: it counts nothing by version |  |  |  |  |  |  |  |',
    ]);
    expect(comparisonTable(result, 'tag')).toContain('| 0.100 | 0.200 |');
    expect(comparisonTable(result, 'pass')).toBe('');
  });

  it('puts tables where the page has a place for them', () => {
    const page = 'a\n<!-- table judge -->\nold\n<!-- end of table judge -->\nb\n';
    expect(withTables(page, { judge: 'new' })).toBe(
      'a\n<!-- table judge -->\n\nnew\n\n<!-- end of table judge -->\nb\n',
    );
    expect(() => withTables(page, { tag: 'new' })).toThrow('<!-- table tag -->');
    expect(Object.keys(tablesOf(result))).toEqual(['machine', 'pass', 'tag', 'judge', 'signals', 'criteria']);
  });

  it('draws what was measured', () => {
    expect(plotOf(result, 'judge')).toMatch(/^<svg[\s\S]*gRPC, 512 spans[\s\S]*<\/svg>\n$/);
    expect(plotOf(result, 'pass')).toBeUndefined();
  });
});

describe('growth', () => {
  const points = DIMENSIONS.flatMap((dimension) =>
    [1, 10].map(
      (value): GrowthPoint => ({
        dimension,
        value,
        work: 'judge',
        nsPerItem: [500 + value, 600],
        p50: 1,
        p99: 3,
        bytesPerItem: 490,
        peakRssBytes: 1024 ** 2,
      }),
    ),
  );

  it('has a row for each value, and a curve for each thing that grows', () => {
    expect(growthTable(points).split('\n')).toHaveLength(2 + DIMENSIONS.length * 2);
    expect(growthTable(points)).toContain('| connections | 1 | 490 | 551 (501 to 600) | 1.0, 3.0 | 1 |  |  |  |');
    expect(growthPlot(points).match(/<circle/g)).toHaveLength(points.length);
  });
});
