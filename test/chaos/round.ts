import { setTimeout as sleep } from 'node:timers/promises';
import { runFault } from './faults.ts';
import { check, type Expected, type Facts, firstOf, type Problem } from './ledger.ts';
import type { Plan } from './plan.ts';
import { serviceKeyOf, Traffic } from './traffic.ts';
import type { World } from './world.ts';

/** How a round went. */
export interface Result {
  readonly acked: number;
  /** Different spans that came to the sink. */
  readonly delivered: number;
  /** How often one came again. */
  readonly duplicates: number;
  /** Different decisions that came to the topic in this round, and how often one came again. */
  readonly decisions: number;
  readonly repeats: number;
  /** How often senders had to try again. */
  readonly retries: number;
  /** From the end of the faults until all was delivered that had been acknowledged and decided by then, ms. */
  readonly recoveryMs: number;
  readonly problems: readonly Problem[];
}

const LOAD_MS = 5000;
/** How long anything may take once all faults have ended; it is minutes on no machine. */
const PATIENCE_MS = 120_000;
const LOOK_MS = 25;

/** Plays a round, and checks the ledger when everything is quiet. */
export async function playRound(world: World, plan: Plan): Promise<Result> {
  const { sender, program, reader } = world;
  const before = { records: reader.records.length, decisions: firstOf(reader.records).size, retries: sender.retries };
  world.setWorkers(plan.workers);
  if (!program.isRunning) await world.start().ready;
  const traffic = new Traffic(sender, plan.round, plan.filler);
  const startedMs = performance.now();
  traffic.begin(plan.services.filter(({ begins }) => begins === 'at_once'));
  await Promise.all(plan.faults.map((fault) => runFault(world, fault)));
  await world.calm();
  program.note('--- all faults are over');
  const recovery = recovered(world);
  traffic.begin(plan.services.filter(({ begins }) => begins === 'after_faults'));
  await sleep(Math.max(0, startedMs + LOAD_MS - performance.now()));
  const expected = expectedOf(plan);
  world.expected.push(...expected);
  await until(() => areDone(world, expected));
  traffic.stop();
  const recoveryMs = await recovery;
  await until(() => sender.pending.size === 0 && isDelivered(world, [...sender.acked]) && arePublished(world));
  await until(async () => (await world.counted()).every(({ inQueue }) => inQueue === 0));
  program.note(`--- round ${plan.round} is over`);
  const result = resultOf(await factsOf(world), plan, before);
  sender.acked.clear();
  sender.refused.length = 0;
  world.sink.delivered.clear();
  world.sink.spoilt.length = 0;
  program.complaints.length = 0;
  return { ...result, retries: sender.retries - before.retries, recoveryMs };
}

function expectedOf({ services, faults }: Plan): Expected[] {
  const isStepped = faults.some(({ kind }) => kind === 'clock');
  return services.map(({ name, candidate, begins }) => {
    const isDoubtful = isStepped && begins === 'at_once';
    return {
      service: serviceKeyOf(name),
      rollback: isDoubtful ? 'whatever' : candidate === 'fails' ? 'once' : 'never',
    };
  });
}

/** Whether every rollback that is due has come. */
function areDone({ reader }: World, expected: readonly Expected[]): boolean {
  const rolledBack = new Set(
    reader.records.filter(({ value }) => value.startsWith('{"decision":"rollback"')).map(({ key }) => key),
  );
  return expected.every(({ service, rollback }) => rollback !== 'once' || rolledBack.has(service));
}

/** How long it takes from now until all has arrived that was acknowledged, decided, or on its way. */
async function recovered(world: World): Promise<number> {
  const { sender, program } = world;
  const startedMs = performance.now();
  const ids = new Set(sender.acked);
  for (const { ids: sent } of sender.pending) for (const id of sent) ids.add(id);
  const decided = program.logged.length;
  await until(() => isDelivered(world, [...ids]) && arePublished(world, decided));
  return performance.now() - startedMs;
}

function isDelivered({ sink }: World, ids: readonly string[]): boolean {
  return ids.every((id) => sink.delivered.has(id));
}

/** Whether the first `count` decisions of the log are on the topic. */
function arePublished({ program, reader }: World, count = program.logged.length): boolean {
  const ids = new Set(reader.records.map(({ id }) => id));
  return program.logged.slice(0, count).every(({ id }) => ids.has(id));
}

/** Waits for something, not for ever: what has not happened by then shows in the ledger. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs) {
    if (
      await Promise.resolve()
        .then(isSo)
        .catch(() => false)
    )
      return;
    await sleep(LOOK_MS);
  }
}

async function factsOf(world: World): Promise<Facts> {
  const { sender, sink, program, reader, expected } = world;
  const complaints = [...program.complaints];
  const orElse = <T>(what: string, asked: Promise<T[]>): Promise<T[]> =>
    asked.catch((error: Error) => {
      complaints.push(`${what}: ${error.message}`);
      return [];
    });
  const counted = await orElse('metrics', world.counted());
  const books = (
    await orElse(
      'the ledger',
      world.books().then((page) => [page]),
    )
  ).join('');
  for (const { exporter, inQueue } of counted)
    if (inQueue > 0) complaints.push(`${exporter}: ${inQueue} items still wait after ${PATIENCE_MS / 1000} s`);
  if (sender.pending.size > 0) complaints.push(`${sender.pending.size} requests are still not acknowledged`);
  return {
    acked: sender.acked,
    delivered: sink.delivered,
    spoilt: sink.spoilt,
    refused: sender.refused,
    logged: program.logged,
    told: await orElse('the API', world.told()),
    topic: reader.records,
    expected,
    counted,
    books,
    complaints,
  };
}

function resultOf(
  facts: Facts,
  plan: Plan,
  before: { readonly records: number; readonly decisions: number },
): Omit<Result, 'retries' | 'recoveryMs'> {
  const prefix = plan.round.toString(16).padStart(4, '0');
  let delivered = 0;
  let duplicates = 0;
  for (const [id, times] of facts.delivered) {
    const isOurs = id.startsWith(prefix);
    if (isOurs) delivered++;
    duplicates += isOurs ? times - 1 : times;
  }
  const decisions = firstOf(facts.topic).size - before.decisions;
  return {
    acked: facts.acked.size,
    delivered,
    duplicates,
    decisions,
    repeats: facts.topic.length - before.records - decisions,
    problems: check(facts),
  };
}
