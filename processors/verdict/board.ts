import type { Blame, Verdict } from '../../proto/windback/decision.ts';
import type { ServiceIdentity } from './identity.ts';
import { InParts } from './in-parts.ts';

/** One rollout as other services' judges see it. */
export interface Posted {
  readonly candidate: string;
  readonly startedAt: number;
  /** The last slot that was judged, and the first in which the evidence was enough to hold; undefined before that. */
  readonly judgedUntil: number;
  readonly suspectSince: number | undefined;
  /** The strongest indicator's part of the way to its bar. */
  readonly progress: number;
  readonly verdict: Verdict;
  /** Failed requests of the candidate, and of how many of them whose answer had failed first, by service name. */
  readonly errors: number;
  readonly origins: ReadonlyMap<string, number>;
}

/** What a `Board` keeps. */
export interface BoardState {
  readonly services: readonly (readonly [ServiceIdentity, readonly SavedPost[]])[];
  readonly minutes: readonly (readonly [number, readonly (readonly [string, readonly string[]])[]])[];
}
interface SavedPost extends Omit<Posted, 'origins' | 'suspectSince'> {
  readonly suspectSince?: number | undefined;
  readonly origins: readonly (readonly [string, number])[];
}

/** An error is another's if at least this part of the failed requests had a failed call to it. */
const MOST = 0.5;
/** Rollouts that began further apart than this have nothing to do with one another, slots. */
const TOGETHER = 6 * 3600;
/** Minutes that are remembered. */
const MINUTES = 10;
/** Others that a decision names. */
const MAX_NAMED = 10;

/** What the judges of all services know of one another: whose rollouts are suspected, and where their errors come from. */
export class Board {
  /** By minute, the services whose baseline was judged in it, with the indicators in which it was unusually bad. */
  readonly #minutes = new Map<number, Map<string, readonly string[]>>();
  readonly #services = new Map<string, { readonly identity: ServiceIdentity; readonly rollouts: readonly Posted[] }>();

  /** The rollouts of a service as they stand; none takes the service off the board. */
  post(identity: ServiceIdentity, rollouts: readonly Posted[]): void {
    if (rollouts.length === 0) this.#services.delete(identity.key);
    else this.#services.set(identity.key, { identity, rollouts });
  }

  /**
   * The rollout that is to blame instead of `own`, as a sentence: most of the failed requests had a failed call to a
   * service whose own candidate is suspected, and whose own errors do not come from here in turn.
   */
  culprit(identity: ServiceIdentity, own: Posted): string | undefined {
    if (own.errors === 0) return undefined;
    for (const [callee, count] of [...own.origins].sort(byCount)) {
      if (count < MOST * own.errors) return undefined;
      const found = this.#suspected(identity, callee, own.judgedUntil);
      if (found === undefined || comesFrom(found.rollout, identity.service)) continue;
      return `${count} of its ${own.errors} failed requests had a failed call to ${callee} first, whose new version ${found.rollout.candidate} is suspected`;
    }
    return undefined;
  }

  /** The other rollouts of these hours, and why they are not the one to blame. */
  others(identity: ServiceIdentity, own: Posted): Blame[] {
    const found: { readonly blame: Blame; readonly progress: number }[] = [];
    for (const { identity: other, rollouts } of this.#services.values()) {
      if (other.key === identity.key || other.environment !== identity.environment) continue;
      for (const rollout of rollouts) {
        if (Math.abs(rollout.startedAt - own.startedAt) > TOGETHER) continue;
        const { candidate, verdict, progress } = rollout;
        const blame = { service: other.service, candidate, verdict, why_not: whyNot(identity, own, rollout) };
        found.push({ blame, progress });
      }
    }
    found.sort((a, b) => b.progress - a.progress || (a.blame.service < b.blame.service ? -1 : 1));
    return found.slice(0, MAX_NAMED).map(({ blame }) => blame);
  }

  /** A minute of a service's baseline: in which indicators it was among its worst. */
  postMinute(key: string, minute: number, high: readonly string[]): void {
    let services = this.#minutes.get(minute);
    if (services === undefined) {
      services = new Map();
      this.#minutes.set(minute, services);
      for (const old of this.#minutes.keys()) if (old < minute - MINUTES) this.#minutes.delete(old);
    }
    services.set(key, high);
  }

  /** The share of the other services whose baseline was unusually bad in this minute or the one before, the larger. */
  elsewhere(key: string, minute: number, indicator: string): number {
    return Math.max(...[minute - 1, minute].map((at) => this.#shareOf(key, at, indicator)));
  }

  /** What `restore` takes, as it is written; until it is, nothing may be posted. */
  parts(): InParts<BoardState> {
    return InParts.record<BoardState>({
      services: InParts.list(this.#services.values(), ({ identity, rollouts }) => [
        identity,
        rollouts.map(({ origins, ...rest }) => ({ ...rest, origins: [...origins] })),
      ]),
      minutes: InParts.list(this.#minutes, ([minute, services]) =>
        InParts.pair(
          minute,
          InParts.list(services, (service) => service),
        ),
      ),
    });
  }

  restore({ services, minutes }: BoardState): void {
    for (const [identity, rollouts] of services) {
      this.post(
        identity,
        rollouts.map(({ origins, suspectSince, ...rest }) => ({ ...rest, suspectSince, origins: new Map(origins) })),
      );
    }
    for (const [minute, high] of minutes) this.#minutes.set(minute, new Map(high));
  }

  #shareOf(key: string, minute: number, indicator: string): number {
    let all = 0;
    let high = 0;
    for (const [other, indicators] of this.#minutes.get(minute) ?? []) {
      if (other === key) continue;
      all++;
      if (indicators.includes(indicator)) high++;
    }
    return all === 0 ? 0 : high / all;
  }

  /** What began later than the time that is looked from is not known there, whoever was judged first. */
  #suspected(identity: ServiceIdentity, service: string, at: number): { rollout: Posted } | undefined {
    for (const { identity: other, rollouts } of this.#services.values()) {
      if (other.service !== service || other.environment !== identity.environment) continue;
      const rollout = rollouts.find(({ suspectSince }) => suspectSince !== undefined && suspectSince <= at);
      if (rollout !== undefined) return { rollout };
    }
    return undefined;
  }
}

function whyNot(identity: ServiceIdentity, own: Posted, other: Posted): string {
  const fromHere = other.origins.get(identity.service) ?? 0;
  if (other.errors > 0 && fromHere >= MOST * other.errors) {
    return `${fromHere} of its ${other.errors} failed requests had a failed call to ${identity.service} first`;
  }
  if (other.suspectSince === undefined) {
    return `no evidence against it: ${Math.round(other.progress * 100)} % of the way to its bar`;
  }
  if (own.suspectSince !== undefined && other.suspectSince > own.suspectSince) {
    return `evidence against it began ${other.suspectSince - own.suspectSince} s later; it is judged by its own`;
  }
  return 'there is evidence against it too; it is judged by its own';
}

/** Whose answers failed most of the failed requests of candidates, by service name. */
export function calleesAtFault(
  rollouts: Iterable<{
    readonly totals: { readonly candidate: { readonly errors: number } };
    readonly origins: { readonly candidate: ReadonlyMap<string, number> };
  }>,
): ReadonlySet<string> {
  const callees = new Set<string>();
  for (const { totals, origins } of rollouts) {
    const { errors } = totals.candidate;
    if (errors === 0) continue;
    for (const [callee, count] of origins.candidate) if (count >= MOST * errors) callees.add(callee);
  }
  return callees;
}

function comesFrom({ errors, origins }: Posted, service: string): boolean {
  return errors > 0 && (origins.get(service) ?? 0) >= MOST * errors;
}

function byCount([a, one]: readonly [string, number], [b, other]: readonly [string, number]): number {
  return other - one || (a < b ? -1 : 1);
}
