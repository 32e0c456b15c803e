/** Whether the cost of a span stays what it is: Windback alone, one thing at a time made larger. */
import { join } from 'node:path';
import type { Load } from '../load/generator.ts';
import { usualShape } from '../load/shape.ts';
import { type Case, casesNamed } from './cases.ts';
import type { Round } from './result.ts';
import { loadOf, Rig } from './rig.ts';
import { spreadOf } from './statistics.ts';
import { start, type UnderTest } from './under-test.ts';
import { windback } from './windback.ts';

export const DIMENSIONS = ['connections', 'batch', 'attributes', 'operations', 'cohorts', 'load'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export interface GrowthPoint {
  readonly dimension: Dimension;
  /** Of `load`: the share of the throughput at saturation, percent. */
  readonly value: number;
  readonly work: Case['work'];
  /** CPU time a span, ns, round by round. */
  readonly nsPerItem: readonly number[];
  /** Of the answer, ms: medians of the rounds. */
  readonly p50: number;
  readonly p99: number;
  readonly bytesPerItem: number;
  readonly peakRssBytes: number;
}

export interface Growing {
  readonly rounds: number;
  readonly seconds: number;
  readonly canPin: boolean;
  readonly folder: string;
  say(line: string): void;
}

const VALUES: Record<Dimension, readonly number[]> = {
  connections: [1, 4, 16, 64, 256],
  batch: [1, 8, 64, 512, 8192],
  attributes: [5, 10, 20, 50, 100],
  operations: [1, 10, 100, 1000, 10_000],
  cohorts: [1, 10, 100, 1000, 10_000],
  load: [10, 25, 50, 75, 90, 100],
};
/** Cohorts and operations are nothing to what is only forwarded but for the tags, which are remembered. */
const WORKS: Record<Dimension, readonly Case['work'][]> = {
  connections: ['judge', 'tag'],
  batch: ['judge', 'tag'],
  attributes: ['judge', 'tag'],
  operations: ['judge'],
  cohorts: ['judge', 'tag'],
  load: ['judge', 'tag'],
};
const COHORT_RESOURCES = 16;

/** Every point. Those of a curve are measured in turn, round by round. */
export async function measureGrowth(growing: Growing, dimensions: readonly Dimension[]): Promise<GrowthPoint[]> {
  const points: GrowthPoint[] = [];
  for (const dimension of dimensions) {
    for (const work of WORKS[dimension]) points.push(...(await curveOf(dimension, work, growing)));
  }
  return points;
}

/** The load at which one thing has this value and all else is as usual. */
export function loadAt(one: Case, dimension: Dimension, value: number, port: number): Load {
  const usual = loadOf(one, port);
  const { shape, target } = usual;
  switch (dimension) {
    case 'connections':
      return { ...usual, target: { ...target, connections: value }, streams: value > 4 ? 1 : usual.streams };
    case 'batch':
      return { ...usual, shape: usualShape('traces', value) };
    case 'attributes':
      return { ...usual, shape: { ...shape, attributes: value } };
    case 'operations':
      return { ...usual, shape: { ...shape, operations: value } };
    case 'cohorts':
      // As many resources a request at each value, or it would be these that grow; few operations, since series are limited.
      return { ...usual, shape: { ...shape, cohorts: value, resources: COHORT_RESOURCES, operations: 4 } };
    case 'load':
      return usual;
  }
}

/** One value of a curve. */
interface Stand {
  readonly value: number;
  readonly server: UnderTest;
  readonly load: Load;
  readonly rate?: number;
  readonly rounds: Round[];
}

async function curveOf(dimension: Dimension, work: Case['work'], growing: Growing): Promise<GrowthPoint[]> {
  const { rounds, seconds, canPin, say } = growing;
  const one = casesNamed([`${work}-grpc-512`])[0] as Case;
  const rig = new Rig();
  const servers: UnderTest[] = [];
  const measure = (server: UnderTest, load: Load, rate?: number): Promise<Round> =>
    rig.measure(server, load, { seconds, ...(rate === undefined ? {} : { rate }) }, work !== 'judge');
  const begin = async (number: number): Promise<UnderTest> => {
    const folder = join(growing.folder, `${dimension}-${work}-${number}`);
    const server = await start(windback, { one, sink: await rig.start(), folder, isPinned: canPin });
    servers.push(server);
    await rig.settle();
    return server;
  };
  try {
    rig.pin(canPin);
    const stands =
      dimension === 'load'
        ? await loadStands(one, await begin(0), measure)
        : await standsOf(dimension, one, begin, measure);
    for (let round = 0; round < rounds; round++) {
      for (const { value, server, load, rate, rounds: own } of stands) {
        const measured = await measure(server, load, rate);
        own.push(measured);
        say(
          `${dimension} ${value}, ${work}, round ${round + 1}: ${(1e9 / measured.itemsPerCpuSecond).toFixed(0)} ns a span`,
        );
      }
    }
    return stands.map((stand) => pointOf(dimension, work, stand));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await rig.stop();
  }
}

type Measure = (server: UnderTest, load: Load, rate?: number) => Promise<Round>;

/** A warm process for each value. */
async function standsOf(
  dimension: Dimension,
  one: Case,
  begin: (number: number) => Promise<UnderTest>,
  measure: Measure,
): Promise<Stand[]> {
  const stands: Stand[] = [];
  for (const value of VALUES[dimension]) {
    const server = await begin(value);
    const load = loadAt(one, dimension, value, server.port);
    await measure(server, load);
    stands.push({ value, server, load, rounds: [] });
  }
  return stands;
}

/** The same process at every rate, after a stretch that shows how much it can do. */
async function loadStands(one: Case, server: UnderTest, measure: Measure): Promise<Stand[]> {
  const load = loadOf(one, server.port);
  await measure(server, load);
  const full = await measure(server, load);
  return VALUES.load.map((value) => {
    if (value === 100) return { value, server, load, rounds: [] };
    const rate = ((full.itemsPerSecond / load.shape.items) * value) / 100;
    // So many under way that it is the rate which limits, even after a pause of the server.
    return { value, server, load: { ...load, streams: 16 }, rate, rounds: [] };
  });
}

function pointOf(dimension: Dimension, work: Case['work'], { value, server, rounds }: Stand): GrowthPoint {
  const middle = (figure: (round: Round) => number): number => spreadOf(rounds.map(figure)).median;
  return {
    dimension,
    value,
    work,
    nsPerItem: rounds.map(({ itemsPerCpuSecond }) => 1e9 / itemsPerCpuSecond),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    bytesPerItem: middle(({ bytesPerItem }) => bytesPerItem),
    peakRssBytes: server.usage().peakRssBytes,
  };
}
