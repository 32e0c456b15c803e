import { setTimeout as sleep } from 'node:timers/promises';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import {
  AFTERMATH_MS,
  BAD,
  BASELINE_MS,
  BASELINES,
  FRONTEND,
  GOOD,
  nameOf,
  PATIENCE_MS,
  REQUESTS_PER_SECOND,
  type Release,
  serviceKey,
} from './cast.ts';
import { DemoFailure } from './failure.ts';
import type { Screen } from './screen.ts';
import type { Running, Shop } from './shop.ts';
import type { Row } from './table.ts';
import { seconds } from './style.ts';
import { Traffic } from './traffic.ts';
import type { Windback } from './windback.ts';

const TICK_MS = 1000;

/** How the play ended. */
export interface Outcome {
  /** Rollback of the bad version, if there was one. */
  readonly rollback: DecisionEvent | undefined;
  /** Rollback of the good version, which should not be. */
  readonly mistake: DecisionEvent | undefined;
  /** The good version: how long it was watched beside the bad one, what it did, and whether it was doubted. */
  readonly good: {
    readonly watchedMs: number;
    readonly requests: number;
    readonly failed: number;
    readonly doubts: readonly DecisionEvent[];
  };
  readonly rows: readonly Row[];
}

/** The play itself: a shop under load, two rollouts at the same moment, and what Windback says of them. */
export class Play {
  readonly #windback: Windback;
  readonly #shop: Shop;
  readonly #screen: Screen;
  readonly #signal: AbortSignal;
  readonly #rows = [...BASELINES, GOOD, BAD].map(toRow).sort(byService);
  readonly #traffic: (url: string) => Traffic;
  #rolledOutMs = 0;
  /** Decisions about the good version; there should be none. */
  readonly #doubts: DecisionEvent[] = [];
  #rollback: DecisionEvent | undefined;
  #mistake: DecisionEvent | undefined;

  constructor(windback: Windback, shop: Shop, screen: Screen, signal: AbortSignal) {
    this.#windback = windback;
    this.#shop = shop;
    this.#screen = screen;
    this.#signal = signal;
    this.#traffic = (url) => new Traffic(url, REQUESTS_PER_SECOND);
  }

  async run(): Promise<Outcome> {
    const baselines = await this.#start(BASELINES);
    await this.#shop.serve(baselines);
    const traffic = this.#traffic(baselines[0]?.urls[0] as string);
    traffic.start();
    try {
      const names = BASELINES.map(nameOf).join(', ');
      this.#screen.tell(`The shop is open: ${names}; ${REQUESTS_PER_SECOND} requests/s`);
      await this.#watch(traffic, BASELINE_MS, () => false);
      return await this.#rollOut(traffic);
    } finally {
      traffic.stop();
    }
  }

  async #rollOut(traffic: Traffic): Promise<Outcome> {
    const { paint } = this.#screen;
    const [good, bad] = (await this.#start([GOOD, BAD])) as [Running, Running];
    await Promise.all([this.#shop.announce(GOOD), this.#shop.announce(BAD)]);
    await this.#shop.serve([good, bad]);
    const startedMs = this.#screen.elapsedMs;
    this.#rolledOutMs = startedMs;
    for (const row of this.#rows) if (row.part === 'to come') row.part = 'candidate';
    this.#screen.tell(
      `Rolling out ${paint('bold', nameOf(BAD))} and ${paint('bold', nameOf(GOOD))}, each to one of five instances`,
    );
    await this.#watch(traffic, PATIENCE_MS, () => this.#rollback !== undefined || this.#mistake !== undefined);
    if (this.#rollback !== undefined) {
      await Promise.all([this.#withdraw(bad), this.#watch(traffic, AFTERMATH_MS, () => this.#mistake !== undefined)]);
    }
    const watchedMs = this.#screen.elapsedMs - startedMs;
    return {
      rollback: this.#rollback,
      mistake: this.#mistake,
      good: { watchedMs, ...traffic.of(nameOf(GOOD)), doubts: this.#doubts },
      rows: this.#rows,
    };
  }

  async #start(releases: readonly Release[]): Promise<Running[]> {
    const running = await Promise.all(releases.map((release) => this.#shop.start(release)));
    this.#signal.throwIfAborted();
    return running;
  }

  /** What a rollback controller does. */
  async #withdraw(bad: Running): Promise<void> {
    await this.#shop.withdraw(bad);
    this.#screen.tell(`${nameOf(BAD)} is withdrawn; all of ${BAD.service} is ${BAD.replaces} again`);
  }

  /** Shows what goes on, for so long or until something has happened. */
  async #watch(traffic: Traffic, forMs: number, isOver: () => boolean): Promise<void> {
    const untilMs = this.#screen.elapsedMs + forMs;
    while (this.#screen.elapsedMs < untilMs && !isOver()) {
      await this.#look(traffic);
      await sleep(TICK_MS, undefined, { signal: this.#signal });
    }
    await this.#look(traffic);
  }

  async #look(traffic: Traffic): Promise<void> {
    const scores = await this.#windback.scores();
    for (const row of this.#rows) {
      row.score = scores.get(nameOf(row)) ?? row.score;
      row.count = traffic.of(nameOf(row));
    }
    for (const event of this.#windback.newDecisions()) this.#decided(event);
    this.#screen.show(this.#rows);
  }

  #decided(event: DecisionEvent): void {
    const { decision, candidate, service } = event.data;
    const row = this.#rows.find((one) => one.service === service.name && one.version === candidate.version);
    const isBad = event.subject === serviceKey(BAD.service) && candidate.version === BAD.version;
    if (!isBad) this.#doubts.push(event);
    if (decision === 'rollback' && isBad) this.#rollback = event;
    else if (decision === 'rollback') this.#mistake = event;
    if (row !== undefined) row.part = PARTS[decision];
    this.#screen.tell(`${this.#word(event)} ${service.name} ${candidate.version}${this.#remark(event)}`);
  }

  #word({ data: { decision } }: DecisionEvent): string {
    const { paint } = this.#screen;
    if (decision === 'rollback') return paint(['bold', 'red'], 'ROLLBACK');
    return paint(decision === 'hold' ? 'yellow' : 'green', decision);
  }

  #remark({ data: { decision, evidence, indicator } }: DecisionEvent): string {
    if (decision === 'rollback') {
      return `, decided ${seconds(this.#screen.elapsedMs - this.#rolledOutMs)} after the rollout began`;
    }
    const leading = evidence.find((one) => one.indicator === indicator);
    return leading === undefined
      ? ''
      : `: ${leading.indicator}, ${Math.round(leading.progress * 100)} % of the way to a rollback`;
  }
}

const PARTS = { rollback: 'rolled back', hold: 'on hold', resume: 'candidate', promote: 'candidate' } as const;

/** Whether it showed what it should: the bad version rolled back, the good one not. Throws a `DemoFailure` if not. */
export function requireGood({ rollback, mistake }: Outcome): DecisionEvent {
  if (mistake !== undefined) {
    const { service, candidate, reason } = mistake.data;
    throw new DemoFailure(
      `${service.name} ${candidate.version} was rolled back, and it is as good as the old one: ${reason}`,
    );
  }
  if (rollback === undefined) {
    throw new DemoFailure(`no rollback of ${nameOf(BAD)} within ${PATIENCE_MS / 1000} s; was this machine very busy?`);
  }
  return rollback;
}

function toRow(release: Release): Row {
  const { service, version, instances } = release;
  const isNew = 'replaces' in release;
  const part = isNew ? 'to come' : service === FRONTEND.service ? '' : 'baseline';
  return { service, version, instances, part, score: undefined, count: { requests: 0, failed: 0 } };
}

/** The frontend first, then services by name, each with its old version first. */
function byService(a: Row, b: Row): number {
  const order = ({ service, version }: Row) => (service === FRONTEND.service ? '' : `${service} ${version}`);
  return order(a) < order(b) ? -1 : 1;
}
