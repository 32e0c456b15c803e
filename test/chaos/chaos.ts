import { join } from 'node:path';
import { described, type FaultKind, type Plan, planOf } from './plan.ts';
import { playRound, type Result } from './round.ts';
import { World } from './world.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Rounds from the one to the other. */
  readonly first: number;
  readonly last: number;
  readonly kinds: readonly FaultKind[];
  /** Where the files of a round that failed are kept; undefined to keep nothing. */
  readonly keepIn: string | undefined;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** After so many rounds Windback begins with an empty state: services are remembered for hours, and this makes new ones. */
const ROUNDS_REMEMBERED = 20;
const PROBLEMS_SHOWN = 10;

/** Plays rounds until one fails. Whether all were played, and none failed. */
export async function runChaos(options: ChaosOptions): Promise<boolean> {
  const { seed, first, last, kinds, keepIn, say, signal } = options;
  const world = await World.create();
  const results: Result[] = [];
  const rounds = last - first + 1;
  const hasFailed = (): boolean => results.some(({ problems }) => problems.length > 0);
  const isFine = (): boolean => results.length === rounds && !hasFailed();
  const startedMs = performance.now();
  let isClosed = false;
  try {
    if (!world.disk.isMounted) say('NO FULL DISKS: a small file system cannot be mounted here (it takes root)');
    say(HEAD);
    for (let round = first; round <= last && signal?.aborted !== true; round++) {
      const plan = planOf(seed, round, kinds);
      if (round > first && (round - 1) % ROUNDS_REMEMBERED === 0) await world.forget();
      const beganMs = performance.now();
      const result = await playRound(world, plan).catch((thrown: unknown) => failed(thrown));
      results.push(result);
      say(lineOf(plan, result, (performance.now() - beganMs) / 1000));
      if (result.problems.length === 0) continue;
      for (const { kind, what } of result.problems.slice(0, PROBLEMS_SHOWN)) say(`  FAIL  ${kind}: ${what}`);
      const more = result.problems.length - PROBLEMS_SHOWN;
      if (more > 0) say(`  and ${more} more`);
      say(`  again: npm run chaos -- --seed ${seed} --only-round ${round}`);
      if (keepIn !== undefined) {
        const folder = join(keepIn, `seed-${seed}-round-${round}`);
        isClosed = true;
        await world.close(folder);
        say(`  state, log and topic: ${folder}`);
      }
      break;
    }
    say(summary(results, world, (performance.now() - startedMs) / 1000));
    say(isFine() ? 'pass' : hasFailed() ? 'FAIL' : `cut short: ${results.length} of ${rounds} rounds were played`);
  } finally {
    if (!isClosed) await world.close();
  }
  return isFine();
}

/** A round that could not be played to its end. */
function failed(thrown: unknown): Result {
  const none = { acked: 0, delivered: 0, duplicates: 0, decisions: 0, repeats: 0, retries: 0, recoveryMs: 0 };
  return { ...none, problems: [{ kind: 'process', what: String(thrown) }] };
}

const HEAD = 'round  time  acked  delivered  again  decisions  again  retries  recovery  faults';

function lineOf({ round, faults }: Plan, result: Result, seconds: number): string {
  const { acked, delivered, duplicates, decisions, repeats, retries, recoveryMs } = result;
  const columns = [
    String(round).padStart(5),
    `${Math.round(seconds)} s`.padStart(4),
    String(acked).padStart(5),
    String(delivered).padStart(9),
    String(duplicates).padStart(5),
    String(decisions).padStart(9),
    String(repeats).padStart(5),
    String(retries).padStart(7),
    `${(recoveryMs / 1000).toFixed(1)} s`.padStart(8),
    faults.map(described).join(', '),
  ];
  return columns.join('  ');
}

function summary(results: readonly Result[], { program }: World, seconds: number): string {
  const sum = (of: (result: Result) => number): number => results.reduce((total, result) => total + of(result), 0);
  const problems = (kind: string): number => sum((result) => result.problems.filter((one) => one.kind === kind).length);
  const total = sum((result) => result.problems.length);
  const longest = Math.max(0, ...results.map(({ recoveryMs }) => recoveryMs));
  return [
    `${results.length} rounds in ${Math.round(seconds / 60)} min`,
    `${sum(({ acked }) => acked)} spans acknowledged, ${sum(({ delivered }) => delivered)} delivered, ${sum(({ duplicates }) => duplicates)} times one came again`,
    `${sum(({ decisions }) => decisions)} decisions on the topic, ${sum(({ repeats }) => repeats)} times one came again`,
    `${problems('lost')} lost, ${problems('doubled')} doubled, ${problems('changed')} changed, ${problems('order')} out of order, ${total} problems in all`,
    `longest recovery ${(longest / 1000).toFixed(1)} s`,
    ...[...program.errors].map(([what, times]) => `Windback said ${times} times: ${what}`),
  ].join('\n');
}
