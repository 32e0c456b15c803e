import { Random } from '../support/random.ts';
import type { Played } from './traffic.ts';

/** What is done to Windback and its surroundings. The words are those of `FAULTS`. */
export type FaultKind =
  | 'kill'
  | 'kill_decided'
  | 'stop'
  | 'reload'
  | 'torn'
  | 'broker_stop'
  | 'broker_kill'
  | 'broker_hang'
  | 'sink_away'
  | 'sink_slow'
  | 'sink_refuses'
  | 'sink_lies'
  | 'net_cut'
  | 'net_slow'
  | 'net_stuck'
  | 'disk_full'
  | 'clock';

/** A connection that goes through one of our proxies. */
export type Line = 'grpc' | 'http' | 'sink' | 'broker';

export interface Fault {
  readonly kind: FaultKind;
  /** From the beginning of the round, ms. */
  readonly atMs: number;
  readonly forMs: number;
  /** Of a network fault. */
  readonly line: Line;
  /** How often a process is killed, or told to reload, or whether after a hold (1) or a rollback; how far the clock is stepped, ms. */
  readonly times: number;
  readonly stepMs: number;
}

export interface Plan {
  readonly round: number;
  readonly faults: readonly Fault[];
  readonly services: readonly Played[];
  /** Spans more in every tenth of a second. */
  readonly filler: number;
  /** Ingest workers of every process that is started in this round; 1 is none. */
  readonly workers: readonly number[];
}

/** What each fault lays its hands on; two of a round never have the same. */
const TOUCHES: Readonly<Record<FaultKind, readonly string[]>> = {
  kill: ['process', 'disk'],
  kill_decided: ['process', 'disk'],
  stop: ['process', 'disk'],
  // What is not ready yet ends on SIGHUP, as any program does.
  reload: ['process'],
  torn: ['process', 'disk'],
  broker_stop: ['broker'],
  broker_kill: ['broker'],
  broker_hang: ['broker'],
  sink_away: ['sink'],
  sink_slow: ['sink'],
  sink_refuses: ['sink'],
  sink_lies: ['sink'],
  net_cut: ['net'],
  net_slow: ['net'],
  net_stuck: ['net'],
  // A process that ends while it can write nothing keeps no state: nothing is promised then.
  disk_full: ['disk'],
  clock: ['clock'],
};

export const FAULT_KINDS = Object.keys(TOUCHES) as FaultKind[];

const LINES: readonly Line[] = ['grpc', 'http', 'sink', 'broker'];
const SECOND_FAULT = 0.6;
const MINUTE_MS = 60_000;

/** The plan of a round: a function of the seed and its number. Every kind comes first in one of as many rounds as there are kinds. */
export function planOf(seed: number, round: number, kinds: readonly FaultKind[] = FAULT_KINDS): Plan {
  const deck = new Random(seed * 7919 + Math.floor((round - 1) / kinds.length)).shuffle(kinds);
  const random = new Random(seed * 1_000_003 + round);
  const first = deck[(round - 1) % kinds.length] as FaultKind;
  const chosen = [first];
  const others = kinds.filter((kind) => TOUCHES[kind].every((what) => !TOUCHES[first].includes(what)));
  if (others.length > 0 && random.chance(SECOND_FAULT)) chosen.push(others[random.below(others.length)] as FaultKind);
  const isStepped = chosen.includes('clock');
  return {
    round,
    faults: chosen.map((kind) => faultOf(kind, random)),
    services: servicesOf(round, isStepped, random),
    filler: random.chance(0.5) ? 0 : 40,
    workers: Array.from({ length: 8 }, () => (random.chance(0.3) ? 2 : 1)),
  };
}

function faultOf(kind: FaultKind, random: Random): Fault {
  const far = random.chance(0.5) ? 3 * MINUTE_MS : 90 * MINUTE_MS;
  return {
    kind,
    // The first decisions are due after some six seconds, and most after eight.
    atMs: 300 + random.below(kind === 'kill_decided' ? 4000 : 8000),
    forMs: 200 + random.below(2300),
    line: LINES[random.below(LINES.length)] as Line,
    times: 1 + random.below(3),
    stepMs: Math.round((0.2 + random.next()) * far) * (random.chance(0.5) ? 1 : -1),
  };
}

/** What is judged while the clock jumps may be judged as the jump makes it look: then one more begins afterwards. */
function servicesOf(round: number, isStepped: boolean, random: Random): Played[] {
  const bad = 2 + random.below(2);
  const named = (name: string, candidate: Played['candidate'], begins: Played['begins'] = 'at_once'): Played => ({
    name: `r${round}-${name}`,
    candidate,
    begins,
  });
  return [
    ...Array.from({ length: bad }, (_, i) => named(`bad-${i + 1}`, 'fails')),
    named('good', 'works'),
    ...(isStepped ? [named('after', 'fails', 'after_faults')] : []),
  ];
}

/** One line for a person. */
export function described({ kind, line, times, stepMs }: Fault): string {
  if (kind.startsWith('net_')) return `${kind}(${line})`;
  if (kind === 'kill' || kind === 'torn' || kind === 'reload') return `${kind}(${times})`;
  if (kind === 'clock') return `clock(${stepMs > 0 ? '+' : ''}${Math.round(stepMs / MINUTE_MS)}min)`;
  return kind;
}
