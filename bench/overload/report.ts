/** What the runs have shown, side by side, and what holds for Windback. */
import { countOf, type Tally } from './answers.ts';
import { titleOf } from './modes.ts';
import { type Run } from './run.ts';
import { ITEMS } from './sender-process.ts';
import { TITLES } from './systems.ts';

export interface Result {
  readonly where: string;
  readonly limitMib: number;
  readonly times: number;
  readonly connections: number;
  readonly seconds: number;
  readonly runs: readonly Run[];
}

const MIB = 1024 ** 2;
/** A client that waits for longer gives up: what was taken should be answered long before. */
const ANSWER_MS_MAX = 5000;
/** Of what the sink takes, what has to come through while ten times that is offered. */
const GOODPUT_MIN = 0.8;

const HEAD = [
  'request',
  'system',
  'offered, spans/s',
  'taken, spans/s',
  'of what the sink takes',
  'refused with a status',
  'of them with a pause',
  'no answer',
  'taken: p50, p99, max, ms',
  'refused: p50, p99, ms',
  'peak RSS, MiB',
  'CPU, s',
  'lost',
];

export function overloadTable({ runs }: Result): string {
  return table(
    HEAD,
    runs.map((run) => {
      const { overload, seconds } = run;
      const refused = countOf(overload.refused);
      const taken = (overload.taken * ITEMS) / seconds;
      return [
        titleOf(run.mode),
        TITLES[run.name],
        thousands((overload.offered * ITEMS) / seconds),
        thousands(taken),
        percent(taken / run.sustainable),
        shares(overload.refused, overload.offered),
        refused === 0 ? '' : percent(overload.saidWhen / refused),
        shares(overload.failed, overload.offered),
        latencies(overload.takenMs, [0.5, 0.99, 1]),
        latencies(overload.refusedMs, [0.5, 0.99]),
        `${mib(run.peakRssBytes)}${run.died === undefined ? '' : `, ${run.died}`}`,
        run.cpuSeconds.toFixed(0),
        String(lostOf(run)),
      ];
    }),
  );
}

export function afterTable({ runs }: Result): string {
  const head = [
    'request',
    'system',
    'RSS before and after, MiB',
    'open files',
    'threads',
    'usual load: spans/s taken',
    'answer p50, p99, ms',
  ];
  return table(
    head,
    runs.map((run) => [
      titleOf(run.mode),
      TITLES[run.name],
      `${mib(run.before.rssBytes)}, ${mib(run.after.rssBytes)}`,
      `${run.before.fds}, ${run.after.fds}`,
      `${run.before.threads}, ${run.after.threads}`,
      `${usualRate(run, run.usualBefore)}, ${usualRate(run, run.usualAfter)}`,
      `${latencies(run.usualBefore.takenMs, [0.5, 0.99])}; ${latencies(run.usualAfter.takenMs, [0.5, 0.99])}`,
    ]),
  );
}

export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly holds: boolean;
}

/** Of Windback. */
export function findingsOf({ runs, limitMib }: Result): Finding[] {
  return runs.filter(({ name }) => name === 'windback').flatMap((run) => findingsOfRun(run, limitMib));
}

function findingsOfRun(run: Run, limitMib: number): Finding[] {
  const { overload, before, after } = run;
  const title = titleOf(run.mode);
  const failures = countOf(overload.failed);
  const goodput = (overload.taken * ITEMS) / run.seconds / run.sustainable;
  const slowest = overload.takenMs.reduce((most, ms) => Math.max(most, ms), 0);
  const usual = [run.usualBefore, run.usualAfter].map((tally) => tally.taken / Math.max(1, tally.offered));
  return [
    {
      what: `${title}: lives, below ${limitMib} MiB`,
      found: run.died ?? `${mib(run.peakRssBytes)} MiB at most`,
      holds: run.died === undefined && run.peakRssBytes < limitMib * MIB,
    },
    {
      what: `${title}: every request is answered, every refusal says when to come again`,
      found: `${failures} without an answer, ${countOf(overload.refused) - overload.saidWhen} refusals without a pause`,
      holds: failures === 0 && countOf(overload.refused) === overload.saidWhen,
    },
    {
      what: `${title}: what is taken is answered within ${ANSWER_MS_MAX / 1000} s`,
      found: `${slowest.toFixed(0)} ms at most`,
      holds: slowest < ANSWER_MS_MAX,
    },
    {
      what: `${title}: at least ${GOODPUT_MIN * 100} % of what the sink takes comes through`,
      found: percent(goodput),
      holds: goodput >= GOODPUT_MIN,
    },
    { what: `${title}: nothing that was taken is lost`, found: `${lostOf(run)} spans`, holds: lostOf(run) <= 0 },
    {
      what: `${title}: afterwards memory and files are as before`,
      found: `${mib(before.rssBytes)} and ${mib(after.rssBytes)} MiB, ${before.fds} and ${after.fds} files, ${whenAsBefore(run)}`,
      holds: run.restSeconds !== undefined && run.died === undefined,
    },
    {
      what: `${title}: afterwards a usual load is taken as before`,
      found: usual.map(percent).join(', then '),
      holds: (usual[1] as number) >= (usual[0] as number),
    },
  ];
}

export function findingsTable(findings: readonly Finding[]): string {
  return table(
    ['what has to hold for Windback', 'found', 'holds'],
    findings.map(({ what, found, holds }) => [what, found, holds ? 'yes' : '**no**']),
  );
}

function whenAsBefore({ restSeconds }: Run): string {
  return restSeconds === undefined ? 'not as before after a minute' : `after ${restSeconds} s`;
}

function lostOf({ takenItems, receivedItems }: Run): number {
  return takenItems - receivedItems;
}

function usualRate({ usualSeconds }: Run, tally: Tally): string {
  return thousands((tally.taken * ITEMS) / usualSeconds);
}

/** `UNAVAILABLE 90.1 %`, the most frequent first. */
function shares(counts: Readonly<Record<string, number>>, all: number): string {
  const sorted = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return sorted.length === 0 ? 'none' : sorted.map(([name, count]) => `${name} ${percent(count / all)}`).join(', ');
}

function latencies(values: readonly number[], quantiles: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0) return 'none';
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] as number;
  return quantiles.map((q) => at(q).toFixed(0)).join(', ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function thousands(value: number): string {
  return `${(value / 1000).toFixed(1)} k`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
