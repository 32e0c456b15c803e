/** Every table of the judge has an end, and what is beyond it is counted. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Block, InstanceBlock, VersionBlock } from '../../../processors/verdict/block.ts';
import { FirstNames, OTHER } from '../../../processors/verdict/first-names.ts';
import { MinuteSum } from '../../../processors/verdict/history-minute.ts';
import { CallKnowledge } from '../../../processors/verdict/indicators/calls.ts';
import { LatencyKnowledge } from '../../../processors/verdict/indicators/latency.ts';
import { ResourceKnowledge } from '../../../processors/verdict/indicators/resources.ts';
import { SignatureKnowledge } from '../../../processors/verdict/indicators/signatures.ts';
import { type Limit, Overflow } from '../../../processors/verdict/overflow.ts';
import { SparseBins } from '../../../processors/verdict/sparse-bins.ts';
import { Watermark } from '../../../processors/verdict/watermark.ts';
import { EXEMPLARS } from '../../../proto/windback/health.ts';
import { Bench, deployment, series, START } from '../../support/judging.ts';
import { group } from '../../support/readings.ts';

/** Limits that are small, and what was over them. */
function small(instances: number, cells: number) {
  const overflow = new Overflow();
  return { overflow, limits: { instances, cells, onOverflow: (limit: Limit) => overflow.add(limit) } };
}

const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', OTHER), { minLength: 1, maxLength: 40 });

describe('names that sort first', () => {
  class Sum {
    count = 0;
    merge({ count }: Sum): void {
      this.count += count;
    }
  }

  function counted(limit: number, added: readonly string[]): Record<string, number> {
    const table = new FirstNames(limit, () => new Sum());
    for (const name of added) table.of(name).count++;
    return Object.fromEntries([...table.entries].map(([name, { count }]) => [name, count] as const).sort());
  }

  it('have places of their own, whichever came first, and the others share one', () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 7 }), fc.infiniteStream(fc.nat()), (added, limit, dice) => {
        const shuffled = added
          .map((name) => [dice.next().value as number, name] as const)
          .sort(([a], [b]) => a - b)
          .map(([, name]) => name);
        const first = [...new Set<string>(added)]
          .filter((name) => name !== OTHER)
          .sort()
          .slice(0, limit);
        const expected: Record<string, number> = {};
        for (const name of added) {
          const place = first.includes(name) ? name : OTHER;
          expected[place] = (expected[place] ?? 0) + 1;
        }
        expect(counted(limit, added)).toEqual(expected);
        expect(counted(limit, shuffled)).toEqual(expected);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('a block', () => {
  const request = (instance: string, operation: string) =>
    series({ version: '1', instance, operation, all: 2, bad: 1 });

  it('tells so many operations of an instance apart, and counts all requests', () => {
    const { limits, overflow } = small(10, 3);
    const block = new VersionBlock(limits);
    for (const operation of ['e', 'd', 'c', 'b', 'a']) block.add(request('i', operation), START);
    expect([...(block.instances.get('i') as InstanceBlock).cells('span').keys()].sort()).toEqual([
      'a',
      'b',
      'c',
      OTHER,
    ]);
    expect(block.total('span')).toEqual({ all: 10, bad: 5 });
    expect(overflow.of('operations')).toBe(2);
  });

  it.each([
    ['calls', 'callees'],
    ['origin', 'callees'],
    ['signature', 'signatures'],
    ['resource', 'metrics'],
    ['custom', 'operations'],
  ] as const)('counts %s over the limit as %s', (kind, limit) => {
    const { limits, overflow } = small(10, 2);
    const block = new VersionBlock(limits);
    for (const name of ['a', 'b', 'c']) block.add(series({ version: '1', kind, name, all: 1 }), START);
    expect(overflow.take()).toEqual(new Map([[limit, 1]]));
  });

  it('tells so many instances apart; one that shares a place was seen when any of them was', () => {
    const { limits, overflow } = small(2, 10);
    const block = new VersionBlock(limits);
    ['d', 'c', 'b', 'a'].forEach((instance, i) => block.add(request(instance, 'x'), START + i));
    expect([...block.instances.keys()].sort()).toEqual(['a', 'b', OTHER]);
    expect(block.instances.get(OTHER)).toMatchObject({ first: START, last: START + 1 });
    expect(block.instances.get(OTHER)?.total('span')).toEqual({ all: 4, bad: 2 });
    expect(overflow.of('instances')).toBe(2);
  });

  it('keeps the smallest trace ids, whichever came first', () => {
    const ids = Array.from({ length: 50 }, (_, i) => `t${String(i).padStart(3, '0')}`);
    const block = new VersionBlock();
    for (const id of ids.toReversed()) block.add(series({ version: '1', all: 1, exemplars: [id] }), START);
    expect(block.exemplars).toEqual(ids.slice(0, EXEMPLARS));
  });

  it('is the same again from what it saved', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(names, names), { maxLength: 5 }), (added) => {
        const { limits } = small(2, 3);
        const block = new Block(limits);
        added.forEach(([instances, operations], i) => {
          instances.forEach((instance, j) => {
            const operation = operations[j % operations.length] as string;
            const one = {
              ...request(instance, operation),
              bins: { bin: [j % 5], count: [1 + i] },
              exemplars: [`${i}${j}`],
            };
            block.version('1').add(one, START + i);
          });
        });
        const again = new Block(limits).restore(JSON.parse(JSON.stringify(block.save())));
        expect(again.save()).toEqual(block.save());
        for (const [version, one] of block.versions)
          expect(again.version(version).total('span')).toEqual(one.total('span'));
      }),
      { seed: 3, numRuns: 50 },
    );
  });
});

describe('sparse histograms', () => {
  const bins = fc.array(fc.tuple(fc.integer({ min: -5, max: 30 }), fc.integer({ min: 1, max: 9 })), { maxLength: 20 });

  it('add up bins in any order, ascending', () => {
    fc.assert(
      fc.property(fc.array(bins, { maxLength: 6 }), (blocks) => {
        const sum = new SparseBins();
        const expected = new Map<number, number>();
        for (const block of blocks) {
          sum.addAll(
            block.map(([bin]) => bin),
            block.map(([, count]) => count),
          );
          for (const [bin, count] of block) expected.set(bin, (expected.get(bin) ?? 0) + count);
        }
        const sorted = [...expected].sort(([a], [b]) => a - b);
        expect(sum.flat()).toEqual(sorted.flat());
        expect(SparseBins.of(new Map(sorted.toReversed())).flat()).toEqual(sorted.flat());
        for (const at of [-9, 0, 7, 99]) {
          expect(sum.above(at)).toBe(sorted.reduce((all, [bin, count]) => all + (bin > at ? count : 0), 0));
        }
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  it('do not share what was added with whom it came from', () => {
    const given = { bin: [1, 2], count: [3, 4] };
    const sum = new SparseBins();
    sum.addAll(given.bin, given.count);
    const copy = new SparseBins();
    copy.add(sum);
    copy.addAll([2, 9], [1, 1]);
    expect([given.count, sum.flat(), copy.flat()]).toEqual([
      [3, 4],
      [1, 3, 2, 4],
      [1, 3, 2, 5, 9, 1],
    ]);
  });
});

describe('what is known of a baseline', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `n${String(i).padStart(5, '0')}`);
  const hits = (count: number, learn: (onOverflow: (limit: Limit) => void, all: string[]) => void) => {
    const overflow = new Overflow();
    learn((limit) => overflow.add(limit), many(count).reverse());
    return overflow.take();
  };

  it('is of so many operations, callees, signatures and metrics', () => {
    const latency = hits(1003, (told, all) => {
      const knowledge = new LatencyKnowledge(told);
      for (const part of [all.slice(0, 600), all.slice(600)])
        knowledge.learn(group(...part.map((operation) => ({ operation, ms: { 20: 1 } }))).cells('span'));
    });
    const calls = hits(1003, (told, all) => {
      const knowledge = new CallKnowledge(told);
      for (const part of [all.slice(0, 600), all.slice(600)])
        knowledge.learn(group({ ms: { 20: 1 } }, ...part.map((name) => ({ kind: 'calls', name, all: 1 }) as const)));
    });
    const signatures = hits(2004, (told, all) => {
      const knowledge = new SignatureKnowledge(told);
      for (const name of all) knowledge.learn([group({ kind: 'signature', name, all: 1 })]);
    });
    const metrics = hits(105, (told, all) => {
      const knowledge = new ResourceKnowledge(told);
      for (const name of all) knowledge.learn('1', [group({ kind: 'resource', name, all: 1 })], true);
    });
    expect([latency, calls, signatures, metrics]).toEqual([
      new Map([['operations', 3]]),
      new Map([['callees', 3]]),
      new Map([['signatures', 4]]),
      new Map([['metrics', 5]]),
    ]);
  });

  it('does not keep the levels of versions that are gone', () => {
    const knowledge = new ResourceKnowledge();
    for (const version of ['1', '2']) knowledge.learn(version, [group({ kind: 'resource', name: 'm', all: 1 })], false);
    knowledge.forgetOthers(new Map([['2', undefined]]));
    expect(knowledge.save().levels.map(([key]) => key)).toEqual(['2\n0\nm']);
  });

  it('is of so many operations a minute, those that sort first', () => {
    const cells = (all: readonly string[]) => group(...all.map((operation) => ({ operation, all: 1 }))).cells('span');
    const sums = [many(1500), many(1500).reverse()].map((all) => {
      const sum = new MinuteSum(1);
      for (const part of [all.slice(0, 900), all.slice(900)]) sum.addCells(cells(part), new Map());
      return sum;
    });
    expect(sums.map(({ operations }) => operations.size)).toEqual([1001, 1001]);
    expect(sums[0]?.save()).toEqual(sums[1]?.save());
    expect(sums[0]?.operations.get(OTHER)?.all).toBe(500);
  });
});

describe('a judge', () => {
  const now = START * 1000;

  it('leaves out what is further ahead than any clock, counted, whatever its version', () => {
    const bench = new Bench();
    bench.run(30, () => [series({ version: '1', all: 5 })]);
    const before = JSON.stringify(bench.judge.save());
    for (const version of ['1', '2', 'unknown']) {
      bench.judge.merge(series({ version, all: 3 }), bench.slot + 700, bench.slot * 1000);
    }
    expect(JSON.stringify(bench.judge.save())).toBe(before);
    expect(bench.counts.overflow.of('future')).toBe(9);
  });

  it('takes what is a little ahead', () => {
    const bench = new Bench();
    bench.judge.merge(series({ version: '1', all: 3 }), START + 500, now);
    expect([bench.judge.save().blocks.length, bench.counts.overflow.of('future')]).toEqual([1, 0]);
  });

  it('keeps the first of the deployment events that wait for their time', () => {
    const times = Array.from({ length: 130 }, (_, i) => START + 1000 + i);
    const waiting = [times, times.toReversed()].map((order) => {
      const bench = new Bench();
      bench.run(10, () => [series({ version: '1', all: 5 })]);
      for (const atSeconds of order) bench.judge.announce(deployment({ version: '2', atSeconds }));
      expect(bench.counts.overflow.of('events')).toBe(30);
      return bench.judge
        .save()
        .events.map(({ atSeconds }) => atSeconds)
        .sort((a, b) => a - b);
    });
    expect(waiting).toEqual([times.slice(0, 100), times.slice(0, 100)]);
  });

  it('waits for so many sources, and counts those whose silence holds nothing back', () => {
    const watermark = new Watermark(5000, 90_000, 2);
    expect(['a', 'b', 'c', 'a'].map((key) => watermark.report(key, START, now))).toEqual([true, true, false, true]);
    const bench = new Bench({ max_instances: 2 });
    bench.second(Array.from({ length: 20 }, (_, i) => series({ version: '1', instance: `i${i}`, all: 1 })));
    expect(bench.counts.overflow.of('sources')).toBe(4);
  });

  it('counts instances that there is no room for, though no block has more than may be', () => {
    const bench = new Bench({ max_instances: 4 });
    bench.run(60, (i) => [series({ version: '1', instance: `i${Math.floor(i / 5)}`, all: 5 })]);
    expect(bench.judge.cohorts.get('1')?.instances.size).toBe(4);
    expect(bench.counts.overflow.of('instances')).toBeGreaterThan(3);
  });

  it('says nothing of limits that were not hit', () => {
    const bench = new Bench();
    bench.run(300, (i) => [
      series({ version: '1', ms: { 20: 5 } }),
      series({ version: '1', kind: 'resource', name: 'm', all: Number(i % 10 === 0) }),
    ]);
    expect(bench.counts.overflow.take()).toEqual(new Map());
  });
});
