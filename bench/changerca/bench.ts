/**
 * Replays real progressive deployments, one of them defective in each case, and prints what was decided case by case.
 * Data and converter lie outside this repository: the data set has no licence that would let us copy it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptOptions, text, whole } from '../script.ts';

const ROOT = join(import.meta.dirname, '../..');
const HELP = `Replays real deployments, one of them defective in each case, and prints what was decided.

usage: npm run bench:changerca -- [options] [-- options of windback replay]

  --data FOLDER     the cases of the ChangeRCA data set (IntelligentDDS, FSE 2024), a folder each
                    (../shared/data/changerca)
  --converter FILE  makes an OTLP capture of a case (../shared/tools/changerca-to-otlp.mjs)
  --seed N          which telemetry is made of the counts that the data set has (1)
  --help            this

examples:
  npm run bench:changerca
  npm run bench:changerca -- --seed 2 -- --config windback.yaml
`;

const args = process.argv.slice(2);
const dashes = args.indexOf('--');
const [own, replayOptions] = dashes < 0 ? [args, []] : [args.slice(0, dashes), args.slice(dashes + 1)];
const values = scriptOptions(
  'bench:changerca',
  HELP,
  {
    data: text(join(ROOT, '../shared/data/changerca')),
    seed: whole(1),
    converter: text(join(ROOT, '../shared/tools/changerca-to-otlp.mjs')),
  },
  own,
);

interface Labelled {
  readonly case: string;
  readonly fault: string | null;
  readonly rollouts: readonly {
    readonly service: string;
    readonly first_candidate_ready_unix: number;
    readonly bad: boolean;
  }[];
}
interface Event {
  readonly time: string;
  readonly data: {
    readonly decision: string;
    readonly indicator: string | null;
    readonly reason: string;
    readonly service: { readonly name: string };
  };
}

const absent = [values.data, values.converter].filter((path) => !existsSync(path));
if (absent.length > 0) {
  process.stderr.write(`${absent.join(' and ')} not found; name the data with --data and --converter\n`);
  process.exitCode = 2;
} else {
  const folder = mkdtempSync(join(tmpdir(), 'windback-changerca-'));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(scratch: string): void {
  const counts: Counts = {
    found: 0,
    missed: 0,
    wrong: 0,
    good: 0,
    repeatable: 0,
    fired: 0,
    rightlyBlamed: 0,
    minutes: [],
  };
  const cases = readdirSync(values.data).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  row('case', 'fault', 'service', 'expected', 'decision', 'min', 'indicator');
  for (const name of cases) {
    const capture = join(scratch, 'capture.jsonl');
    const converted = spawnSync(
      process.execPath,
      [values.converter, join(values.data, name), '--seed', String(values.seed)],
      {
        stdio: ['ignore', openSync(capture, 'w'), 'inherit'],
      },
    );
    if (converted.status !== 0) throw new Error(`cannot convert ${name}`);
    const labels = JSON.parse(
      execFileSync(process.execPath, [values.converter, join(values.data, name), '--labels'], { encoding: 'utf8' }),
    ) as Labelled;
    const output = replay(capture);
    if (output === replay(capture)) counts.repeatable++;
    judge(labels, output, counts);
  }
  report(counts, cases.length);
}

interface Counts {
  found: number;
  missed: number;
  wrong: number;
  good: number;
  repeatable: number;
  /** Cases with a rollback, and those of them in which only the faulty service was rolled back. */
  fired: number;
  rightlyBlamed: number;
  readonly minutes: number[];
}

function report(counts: Counts, cases: number): void {
  const { found, missed, wrong, good, repeatable, fired, rightlyBlamed, minutes } = counts;
  const percent = (part: number, all: number) => (all === 0 ? '-' : (part / all).toFixed(2));
  const median = minutes.toSorted((a, b) => a - b)[Math.floor(minutes.length / 2)];
  process.stdout.write(
    `\n${found} of ${found + missed} bad deployments rolled back, ${wrong} of ${good} good ones: precision ${percent(found, found + wrong)}, recall ${percent(found, found + missed)}\n`,
  );
  process.stdout.write(
    `the right service blamed in ${rightlyBlamed} of ${fired} cases that fired; ${median?.toFixed(1) ?? '-'} min to the decision in the median; ${repeatable} of ${cases} replays gave the same bytes twice\n`,
  );
}

function replay(capture: string): string {
  const args = [join(ROOT, 'cmd/windback.ts'), 'replay', ...replayOptions, capture];
  return execFileSync(process.execPath, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function judge(labels: Labelled, output: string, counts: Counts): void {
  const events = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
  const isRolledBack = (service: string) =>
    events.some(({ data }) => data.service.name === service && data.decision === 'rollback');
  if (labels.rollouts.some(({ service }) => isRolledBack(service))) {
    counts.fired++;
    if (labels.rollouts.every(({ service, bad }) => bad === isRolledBack(service))) counts.rightlyBlamed++;
  }
  for (const { service, bad, first_candidate_ready_unix: readyUnix } of labels.rollouts) {
    const rollback = events.find(({ data }) => data.service.name === service && data.decision === 'rollback');
    if (bad) counts[rollback === undefined ? 'missed' : 'found']++;
    else {
      counts.good++;
      if (rollback !== undefined) counts.wrong++;
    }
    const minutes = rollback === undefined ? '' : ((Date.parse(rollback.time) / 1000 - readyUnix) / 60).toFixed(1);
    if (bad && rollback !== undefined) counts.minutes.push(Number(minutes));
    const decision = rollback === undefined ? '-' : 'rollback';
    const expected = bad ? 'rollback' : '-';
    const indicator = rollback?.data.indicator ?? '';
    row(labels.case, labels.fault ?? '', service, expected, decision, minutes, indicator);
  }
}

function row(...cells: readonly string[]): void {
  const widths = [14, 13, 24, 9, 9, 5, 0];
  process.stdout.write(
    `${cells
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join(' ')
      .trimEnd()}\n`,
  );
}
