import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SpanSpec } from '../../support/telemetry.ts';
import { CLIENT, CONSUMER, dropped, fold, INTERNAL, joined, PRODUCER, SERVER, span } from './calls-support.ts';

describe('joining equals a walk over the tree', () => {
  interface Node {
    readonly kind: number;
    readonly callee: string;
    readonly isBad: boolean;
    readonly children: readonly Node[];
  }

  /** Ids outside of the sample from which names are learnt, so that each callee keeps the one that it was given. */
  const unlearnt = (n: number) => `01${n.toString(16).padStart(14, '0')}`;
  const callees = fc.constantFrom('a', 'b', 'c');
  const { node } = fc.letrec<{ node: Node }>((tie) => ({
    node: fc.record({
      kind: fc.constantFrom(INTERNAL, INTERNAL, SERVER, CLIENT, CLIENT, PRODUCER, CONSUMER),
      callee: callees,
      isBad: fc.boolean(),
      children: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constant([]),
        fc.array(tie('node'), { maxLength: 4 }),
      ),
    }),
  }));

  /** Spans of a forest, each behind all of its children, siblings' subtrees interleaved as `pick` says. */
  function spansOf(roots: readonly Node[], pick: (below: number) => number): SpanSpec[] {
    const spans: { spec: SpanSpec; waitsFor: number; parent: number }[] = [];
    const lay = ({ kind, callee, isBad, children }: Node, parent: number): void => {
      const own = spans.length;
      const spec = span(kind, own + 1, undefined, {
        spanId: unlearnt(own),
        ...(parent < 0 ? {} : { parentId: unlearnt(parent) }),
        attributes: { 'peer.service': callee },
        ...(isBad ? { status: 2 } : {}),
      });
      spans.push({ spec, waitsFor: children.length, parent });
      for (const child of children) lay(child, own);
    };
    for (const root of roots) lay(root, -1);
    const ready = spans.flatMap(({ waitsFor }, i) => (waitsFor === 0 ? [i] : []));
    const ordered: SpanSpec[] = [];
    while (ready.length > 0) {
      const [next = 0] = ready.splice(pick(ready.length), 1);
      const { spec, parent } = spans[next] as (typeof spans)[number];
      ordered.push(spec);
      const above = spans[parent];
      if (above !== undefined && --above.waitsFor === 0) ready.push(parent);
    }
    return ordered;
  }

  /** By brute force: of each request, the calls reached from it through internal spans alone. */
  function walked(roots: readonly Node[]): string[] {
    const series = new Map<string, { all: number; bad: number; bins: Map<number, number> }>();
    const count = (key: string, bad: number, bin?: number): void => {
      const one = series.get(key) ?? { all: 0, bad: 0, bins: new Map<number, number>() };
      one.all++;
      one.bad += bad;
      if (bin !== undefined) one.bins.set(bin, (one.bins.get(bin) ?? 0) + 1);
      series.set(key, one);
    };
    const callsUnder = (children: readonly Node[]): Node[] =>
      children.flatMap((child) => {
        if (child.kind === CLIENT || child.kind === PRODUCER) return [child];
        return child.kind === INTERNAL ? callsUnder(child.children) : [];
      });
    const visit = (each: Node): void => {
      if (each.kind === SERVER || each.kind === CONSUMER) {
        const calls = callsUnder(each.children);
        for (const callee of new Set(calls.map((one) => one.callee))) {
          const own = calls.filter((one) => one.callee === callee);
          count(`calls op ${callee}`, 0, own.length);
          if (each.isBad && own.some(({ isBad }) => isBad)) count(`origin op ${callee}`, 1);
        }
      }
      for (const child of each.children) visit(child);
    };
    for (const root of roots) visit(root);
    return [...series]
      .map(([key, { all, bad, bins }]) => {
        const sorted = [...bins].sort(([a], [b]) => a - b).map(([bin, n]) => `${bin}x${n}`);
        return [key, all, bad, ...sorted].join(' ');
      })
      .sort();
  }

  it('in any order in which children come before their parents, in one batch or several', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(node, { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 10 }),
        async (roots, numbers, sizes) => {
          const spans = spansOf(roots, (below) => Math.floor((numbers.next().value as number) * below));
          const batches: SpanSpec[][] = [];
          let at = 0;
          for (const size of [...sizes, Number.POSITIVE_INFINITY]) {
            batches.push(spans.slice(at, at + size));
            at += size;
          }
          const folding = await fold(batches);
          expect(joined(await folding.series())).toEqual(walked(roots));
          expect(await dropped(folding, 'expired')).toBe(0);
        },
      ),
      { seed: 11, numRuns: 150 },
    );
  });
});
