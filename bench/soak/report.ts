/** What a soak run has shown: a table, a line through the memory, and what holds. */
import type { Inside } from './probe.ts';

export interface Sample extends Inside {
  /** Since the first request. */
  readonly seconds: number;
  readonly rssBytes: number;
  readonly fds: number;
  /** User and system, since the start of the process. */
  readonly cpuSeconds: number;
  readonly acceptedItems: number;
  readonly refused: number;
  readonly answerP99Ms: number;
}

export interface Soak {
  /** Where it was measured. */
  readonly where: string;
  readonly minutes: number;
  readonly rate: number;
  readonly samples: readonly Sample[];
  readonly acceptedItems: number;
  readonly receivedItems: number;
  readonly refused: number;
  readonly refusal?: string;
  readonly decisions: Readonly<Record<string, number>>;
  readonly exitCode: number | null;
}

const MIB = 1024 * 1024;
const ROWS_MAX = 12;
/** The part of a run in which a process still grows into its work: a sixth, of an hour ten minutes. */
const WARM_SHARE = 1 / 6;
/** Memory is flat where an hour adds less than this share of it. */
const GROWTH_SHARE_MAX = 0.05;
/** Handles and descriptors come and go with connections and files of the queue. */
const HANDLES_MORE_MAX = 4;

export interface Line {
  readonly perHour: number;
  /** Standard error of `perHour`. */
  readonly error: number;
  readonly mean: number;
}

/** Ordinary least squares of `value` by hours. */
export function lineThrough(points: readonly (readonly [seconds: number, value: number])[]): Line {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const mean = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const sxx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - mean), 0) / sxx;
  const rest = points.reduce((sum, [x, y]) => sum + (y - mean - slope * (x - meanX)) ** 2, 0);
  return { perHour: slope * 3600, error: Math.sqrt(rest / Math.max(1, count - 2) / sxx) * 3600, mean };
}

export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly holds: boolean;
}

export function findingsOf(soak: Soak): Finding[] {
  const { samples, minutes } = soak;
  const warm = samples.filter(({ seconds }) => seconds >= minutes * 60 * WARM_SHARE);
  const { perHour, error, mean } = lineThrough(warm.map(({ seconds, rssBytes }) => [seconds, rssBytes / MIB]));
  const share = perHour / mean;
  const lost = soak.acceptedItems - soak.receivedItems;
  const twice = lost < 0 ? `, ${-lost} came twice` : '';
  return [
    {
      what: `resident memory grows by less than ${GROWTH_SHARE_MAX * 100} % an hour`,
      found: `${perHour.toFixed(2)} MiB an hour (standard error ${error.toFixed(2)}), ${(share * 100).toFixed(1)} % of ${mean.toFixed(0)} MiB`,
      holds: share < GROWTH_SHARE_MAX,
    },
    ...(['handles', 'fds'] as const).map((key) => grown(key, warm)),
    {
      what: 'nothing that was accepted is lost',
      found: `${soak.acceptedItems} accepted, ${soak.receivedItems} came out${twice}`,
      holds: lost <= 0 && soak.acceptedItems > 0,
    },
    {
      what: 'nothing is refused',
      found: `${soak.refused} requests${soak.refusal === undefined ? '' : `: ${soak.refusal}`}`,
      holds: soak.refused === 0,
    },
    { what: 'it stops in order', found: `exit code ${soak.exitCode}`, holds: soak.exitCode === 0 },
  ];
}

/** Medians of the first and of the last quarter of what is warm. */
function grown(key: 'handles' | 'fds', warm: readonly Sample[]): Finding {
  const quarter = Math.ceil(warm.length / 4);
  const [from, to] = [warm.slice(0, quarter), warm.slice(-quarter)].map((part) => median(part.map((one) => one[key])));
  const name = key === 'fds' ? 'open files' : 'handles';
  return {
    what: `${name} do not grow`,
    found: `${from}, then ${to}`,
    holds: (to as number) <= (from as number) + HANDLES_MORE_MAX,
  };
}

export function tableOf({ samples, minutes }: Soak): string {
  const rowMinutes = Math.max(minutes / ROWS_MAX, 0.1);
  const head = [
    'minutes',
    'spans/s taken',
    'CPU, cores',
    'RSS, MiB',
    'heap, MiB',
    'buffers, MiB',
    'handles',
    'open files',
    'event loop late, p99, max, ms',
    'answer p99, ms',
    'requests refused',
  ];
  const rows: string[][] = [];
  for (let from = 0; from < minutes - rowMinutes / 2; from += rowMinutes) {
    const part = samples.filter(({ seconds }) => seconds > from * 60 && seconds <= (from + rowMinutes) * 60);
    const before = samples.findLast(({ seconds }) => seconds <= from * 60);
    if (part.length > 0) rows.push(rowOf(from, from + rowMinutes, part, before));
  }
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

function rowOf(from: number, to: number, part: readonly Sample[], before: Sample | undefined): string[] {
  const last = part.at(-1) as Sample;
  const first = before ?? (part[0] as Sample);
  const seconds = last.seconds - first.seconds;
  const middle = (key: keyof Sample, unit = 1): string => (median(part.map((one) => one[key])) / unit).toFixed(0);
  const perSecond = (key: 'acceptedItems' | 'cpuSeconds'): number => (last[key] - first[key]) / seconds;
  return [
    `${label(from)} to ${label(to)}`,
    perSecond('acceptedItems').toFixed(0),
    perSecond('cpuSeconds').toFixed(2),
    (median(part.map(({ rssBytes }) => rssBytes)) / MIB).toFixed(1),
    (median(part.map(({ heapUsedBytes }) => heapUsedBytes)) / MIB).toFixed(1),
    (median(part.map(({ externalBytes }) => externalBytes)) / MIB).toFixed(1),
    middle('handles'),
    middle('fds'),
    `${middle('loopP99Ms')}, ${Math.max(...part.map(({ loopMaxMs }) => loopMaxMs)).toFixed(0)}`,
    middle('answerP99Ms'),
    String(last.refused - first.refused),
  ];
}

export function findingsTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, found, holds }) => `| ${what} | ${found} | ${holds ? 'yes' : '**no**'} |`);
  return ['| what has to hold | found | holds |', '| --- | --- | --- |', ...rows].join('\n');
}

export function decisionsLine({ decisions }: Soak): string {
  const kinds = Object.entries(decisions).map(([kind, count]) => `${count} ${kind}`);
  return kinds.length === 0 ? 'no decision' : kinds.join(', ');
}

function label(minutes: number): string {
  return Number(minutes.toFixed(1)).toString();
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
