/** What the comparison has to show. */
import { titleOf } from './cases.ts';
import { type CaseResult, measuredOf, ratesOf, type Result } from './result.ts';
import { ratioOf, spreadOf } from './statistics.ts';
import type { SystemName } from './system.ts';

export interface Criterion {
  readonly text: string;
  /** Undefined: there is nothing to tell it by. */
  readonly isMet: boolean | undefined;
  readonly seen: string;
}

const JUDGE_TIMES = 4;
const TAG_TIMES = 1.5;
const READY_MS = 500;

/** Those that the cases which were measured are told by. */
export function criteriaOf({ cases }: Result): Criterion[] {
  const judged = cases.filter(({ one }) => one.work === 'judge' && one.size >= 512);
  const tagged = cases.filter(
    ({ one }) => one.work === 'tag' && one.signal === 'traces' && one.encoding !== 'zstd' && !one.isBatched,
  );
  return [
    ...judged.map((result) => atLeast(result, 'collector', JUDGE_TIMES)),
    ...tagged.map((result) => atLeast(result, 'collector', TAG_TIMES)),
    ...tagged.map((result) => atLeast(result, 'rotel', 1)),
    ...[...judged, ...tagged].map((result) => smaller(result)),
    ...ready(cases),
  ];
}

function atLeast(result: CaseResult, peer: SystemName, times: number): Criterion {
  const ratio = ratioOf(ratesOf(result, 'windback'), ratesOf(result, peer));
  return {
    text: `${nameOf(result)}: at least ${times} times ${peer === 'rotel' ? 'rotel' : 'the Collector'}`,
    isMet: ratio === undefined ? undefined : ratio.median >= times,
    seen:
      ratio === undefined
        ? 'not measured'
        : `${ratio.median.toFixed(2)} times (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`,
  };
}

function smaller(result: CaseResult): Criterion {
  const text = `${nameOf(result)}: peak memory below the Collector's`;
  const ours = measuredOf(result, 'windback');
  const theirs = measuredOf(result, 'collector');
  if (ours === undefined || theirs === undefined) return { text, isMet: undefined, seen: 'not measured' };
  const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0);
  return {
    text,
    isMet: ours.peakRssBytes < theirs.peakRssBytes,
    seen: `${mib(ours.peakRssBytes)} against ${mib(theirs.peakRssBytes)} MiB`,
  };
}

function ready(cases: readonly CaseResult[]): Criterion[] {
  const starts = cases.flatMap((result) => measuredOf(result, 'windback')?.readyMs ?? []);
  if (starts.length === 0) return [];
  const { median, min, max } = spreadOf(starts);
  const seen = `${median.toFixed(0)} ms (${min.toFixed(0)} to ${max.toFixed(0)} over ${starts.length} starts)`;
  return [{ text: `start to ready: under ${READY_MS} ms`, isMet: median < READY_MS, seen }];
}

function nameOf({ one }: CaseResult): string {
  const work = { pass: 'forward', tag: 'tag and forward', judge: 'tag and judge' }[one.work];
  return `${work}, ${titleOf(one)}`;
}

/** As lines: `pass` or `FAIL`, what was asked, what was seen. */
export function printed({ text, isMet, seen }: Criterion): string {
  const word = isMet === undefined ? '--  ' : isMet ? 'pass' : 'FAIL';
  return `${word}  ${text}: ${seen}`;
}
