/** One case, every system, in rounds: A B C, A B C. */
import { join } from 'node:path';
import type { Case } from './cases.ts';
import type { CaseResult, Measured, Round } from './result.ts';
import { loadOf, Rig } from './rig.ts';
import type { System, SystemName } from './system.ts';
import { start, type UnderTest } from './under-test.ts';

export interface Comparison {
  readonly systems: readonly System[];
  /** Systems that are not there at all, and why. */
  readonly missing: Partial<Record<SystemName, string>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly canPin: boolean;
  /** A folder for everyone's files. */
  readonly folder: string;
  say(line: string): void;
}

/** What a system that failed is said to lack. */
export const FAILED = 'failed: ';

/** Node compiles what is hot while it runs. */
const WARM_UP_SECONDS = 2.5;

export async function compare(one: Case, comparison: Comparison): Promise<CaseResult> {
  const without: CaseResult['without'] = { ...comparison.missing };
  const able = comparison.systems.filter((system) => {
    const reason = system.cannot(one);
    if (reason !== undefined) without[system.name] = reason;
    return reason === undefined;
  });
  const pinned = await runAll(one, able, comparison.canPin, comparison, without);
  const isUnpinned = one.isUnpinned && comparison.canPin;
  const unpinned = isUnpinned ? await runAll(one, able, false, comparison, without) : [];
  return { one, pinned, unpinned, without };
}

interface Running {
  readonly server: UnderTest;
  readonly rounds: Round[];
}

/** Those that fail are named in `without`; the others go on. */
async function runAll(
  one: Case,
  systems: readonly System[],
  isPinned: boolean,
  comparison: Comparison,
  without: CaseResult['without'],
): Promise<Measured[]> {
  const { rounds, seconds, say } = comparison;
  const rig = new Rig();
  const running = new Map<SystemName, Running>();
  const isForwarded = one.work !== 'judge';
  const attempt = async (system: System, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (thrown) {
      without[system.name] = `${FAILED}${(thrown as Error).message}`;
      say(`${system.title} FAILED: ${(thrown as Error).message}`);
      await running.get(system.name)?.server.stop();
      running.delete(system.name);
      await rig.settle();
    }
  };
  const measure = (server: UnderTest, sending: number): Promise<Round> =>
    rig.measure(server, loadOf(one, server.port), { seconds: sending }, isForwarded);
  try {
    const sink = await rig.start();
    rig.pin(isPinned);
    for (const system of systems) {
      await attempt(system, async () => {
        const folder = join(comparison.folder, `${one.name}-${system.name}-${isPinned ? 'pinned' : 'unpinned'}`);
        running.set(system.name, { server: await start(system, { one, sink, folder, isPinned }), rounds: [] });
        if (isForwarded) await rig.settle();
        await measure((running.get(system.name) as Running).server, Math.min(WARM_UP_SECONDS, seconds * 2));
      });
    }
    for (let round = 0; round < rounds; round++) {
      for (const system of systems) {
        const its = running.get(system.name);
        if (its === undefined) continue;
        await attempt(system, async () => {
          const measured = await measure(its.server, seconds);
          its.rounds.push(measured);
          say(
            `round ${round + 1} of ${rounds}, ${isPinned ? 'one core' : 'all cores'}: ${system.title} ${said(measured)}`,
          );
        });
      }
    }
    return [...running].map(([system, { server, rounds }]) => measuredOf(system, server, rounds));
  } finally {
    await Promise.all([...running.values()].map(({ server }) => server.stop()));
    await rig.stop();
  }
}

function measuredOf(system: SystemName, server: UnderTest, rounds: readonly Round[]): Measured {
  return { system, rounds, readyMs: server.readyMs, peakRssBytes: server.usage().peakRssBytes };
}

function said({ itemsPerCpuSecond, itemsPerSecond }: Round): string {
  return `${(itemsPerCpuSecond / 1e6).toFixed(3)} M items per CPU-second, ${(itemsPerSecond / 1e6).toFixed(3)} M a second`;
}
