/**
 * Which connections should come again elsewhere, so that each ingest worker has its share. The system hands a
 * connection to a thread by a hash of its addresses, whatever the thread has to do, and there it stays for its life.
 * Kubernetes' API server (`--goaway-chance`) and gRPC (`max_connection_age`) let clients reconnect at random for that
 * reason; here it is done only where it helps.
 */

/** What one worker has received in one round. */
export interface WorkerLoad {
  readonly worker: number;
  readonly items: number;
  /** Share of the round in which its event loop was busy, 0 to 1. */
  readonly busy: number;
  /** Bytes of the round. */
  readonly connections: readonly { readonly key: string; readonly bytes: number }[];
}

export interface Shed {
  readonly worker: number;
  readonly key: string;
}

export interface BalanceSettings {
  /** How long a round takes. */
  readonly roundMs: number;
  /** Where no worker is busier than this, it does not matter who has what. */
  readonly busyMin: number;
  /** How far above the mean a worker may be, as a share of it. */
  readonly tolerance: number;
  /** Rounds that are looked at together: a short burst is no imbalance. */
  readonly windowRounds: number;
  /** How many connections one worker may send away in a round, or a quarter of those that it has where that is more. */
  readonly shedMax: number;
  /** Rounds to wait after connections were sent away, until their load shows elsewhere. */
  readonly restRounds: number;
  /** The longest such wait, where it did not help. */
  readonly restRoundsMax: number;
}

export const BALANCE: BalanceSettings = {
  roundMs: 1000,
  busyMin: 0.3,
  tolerance: 0.08,
  windowRounds: 2,
  shedMax: 16,
  restRounds: 2,
  restRoundsMax: 60,
};

/** A wait that did not help grows by this, to the longest. */
const REST_GROWTH = 1.5;
/** What sheds must make up for, as a share of how far the worker is from the one with the least. */
const WORTH = 0.2;
/** It helped where the imbalance is less than this share of what it was. */
const HELPED = 0.9;

/** Decides round by round. Pure but for what it remembers of its last steps. */
export class Balancer {
  readonly #settings: BalanceSettings;
  #window: (readonly WorkerLoad[])[] = [];
  #rest = 0;
  #restNext: number;
  /** The imbalance in which connections were sent away last. */
  #before: number | undefined;

  constructor(settings: BalanceSettings = BALANCE) {
    this.#settings = settings;
    this.#restNext = settings.restRounds;
  }

  /** Whether connections were sent away of which the load is still to show elsewhere. */
  get isResting(): boolean {
    return this.#rest > 0;
  }

  /** What to shed after this round; mostly nothing. */
  step(round: readonly WorkerLoad[]): Shed[] {
    const { restRounds, restRoundsMax, windowRounds, busyMin, tolerance } = this.#settings;
    if (this.#rest > 0) {
      this.#rest--;
      return [];
    }
    this.#window.push(round);
    if (this.#window.length < windowRounds) return [];
    const loads = together(this.#window.splice(0));
    const imbalance = imbalanceOf(loads);
    const isBusy = loads.some(({ busy }) => busy > busyMin);
    if (!isBusy || imbalance <= tolerance) {
      this.#before = undefined;
      this.#restNext = restRounds;
      return [];
    }
    const sheds = planSheds(loads, this.#settings);
    if (sheds.length === 0) return [];
    const helped = this.#before === undefined || imbalance < this.#before * HELPED;
    this.#restNext = helped ? restRounds : Math.min(this.#restNext * REST_GROWTH, restRoundsMax);
    this.#rest = Math.round(this.#restNext);
    this.#before = imbalance;
    return sheds;
  }
}

/** Several rounds as one, of the workers and connections that are there in the last one. */
function together(rounds: readonly (readonly WorkerLoad[])[]): WorkerLoad[] {
  const sumOf = (amounts: readonly (number | undefined)[]) => amounts.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  const bytes = rounds.map(
    (loads) => new Map(loads.flatMap(({ connections }) => connections.map((one) => [one.key, one.bytes] as const))),
  );
  return (rounds.at(-1) ?? []).map(({ worker, connections }) => {
    const own = rounds.map((loads) => loads.find((load) => load.worker === worker));
    return {
      worker,
      items: sumOf(own.map((load) => load?.items)),
      busy: sumOf(own.map((load) => load?.busy)) / rounds.length,
      connections: connections.map(({ key }) => ({ key, bytes: sumOf(bytes.map((round) => round.get(key))) })),
    };
  });
}

/** How far the worker with the most is above the mean, as a share of the mean. */
export function imbalanceOf(loads: readonly WorkerLoad[]): number {
  const mean = meanOf(loads);
  return mean === 0 ? 0 : Math.max(...loads.map(({ items }) => items)) / mean - 1;
}

/**
 * The connections that, come to the worker with the least (`leastOf`), bring it and those with too much nearest to the
 * mean. One whose move would only make that worker the one with the most stays: a single heavy connection is nobody's to
 * balance.
 */
export function planSheds(loads: readonly WorkerLoad[], settings: BalanceSettings): Shed[] {
  const mean = meanOf(loads);
  const items = new Map(loads.map((load) => [load.worker, load.items]));
  return loads
    .toSorted((a, b) => b.items - a.items)
    .flatMap((load) => planOne(load, leastOf(loads), mean, items, settings));
}

/** The sheds of one worker to `least`; what they move is moved in `items`. */
function planOne(
  { worker, connections }: WorkerLoad,
  least: number,
  mean: number,
  items: Map<number, number>,
  { shedMax, tolerance }: BalanceSettings,
): Shed[] {
  const most = Math.max(shedMax, Math.floor(connections.length / 4));
  const bytes = connections.reduce((sum, connection) => sum + connection.bytes, 0);
  const movable = connections
    .filter((connection) => connection.bytes > 0)
    .map(({ key, bytes: own }) => ({ key, items: ((items.get(worker) as number) * own) / bytes }));
  const [before, leastBefore] = [items.get(worker) as number, items.get(least) as number];
  let [has, leastHas] = [before, leastBefore];
  const sheds: Shed[] = [];
  let gained = 0;
  while (sheds.length < most && has > mean * (1 + tolerance) && leastHas < mean) {
    const gap = has - leastHas;
    const best = movable.reduce<(typeof movable)[number] | undefined>(
      (found, one) => (Math.abs(gap - 2 * one.items) < Math.abs(gap - 2 * (found?.items ?? 0)) ? one : found),
      undefined,
    );
    const gain = best === undefined ? 0 : gap - Math.abs(gap - 2 * best.items);
    if (best === undefined || gain < best.items) break;
    gained += gain;
    movable.splice(movable.indexOf(best), 1);
    has -= best.items;
    leastHas += best.items;
    sheds.push({ worker, key: best.key });
  }
  // Else it would cost reconnections and change next to nothing.
  const isWorth = sheds.length === most || leastHas >= mean || gained >= (before - leastBefore) * WORTH;
  if (!isWorth) return [];
  items.set(worker, has).set(least, leastHas);
  return sheds;
}

/** The worker with the least. */
export function leastOf(loads: readonly WorkerLoad[]): number {
  return loads.reduce((least, load) => (load.items < least.items ? load : least)).worker;
}

function meanOf(loads: readonly WorkerLoad[]): number {
  return loads.reduce((sum, { items }) => sum + items, 0) / Math.max(1, loads.length);
}
