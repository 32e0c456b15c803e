/**
 * Services whose versions roll over: each now and then gets a new one, which first takes a part of the requests and then
 * all of them. Every third is bad, fails often and is taken back. So a judge has something to begin, to decide and to forget.
 */
import type { Part } from '../load/shape.ts';

const SERVICES = 4;
const INSTANCES = 3;
/** Of requests to a service, what a new version takes at first. */
const CANARY_SHARE = 0.25;
const BAD_EVERY = 3;
const BAD_ERROR_EVERY = 7;

export interface Pace {
  /** From one new version of a service to the next, ms. */
  readonly everyMs: number;
  /** How long a new version takes a part only, ms. */
  readonly canaryMs: number;
}

export class Rollouts {
  readonly #pace: Pace;
  #requests = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** The next request, `sinceMs` after the first one. */
  next(items: number, sinceMs: number): Part {
    const number = this.#requests++;
    const service = number % SERVICES;
    const turn = Math.floor(number / SERVICES);
    const { generation, errorEvery } = this.#versionOf(service, turn, sinceMs);
    const instance = turn % INSTANCES;
    return {
      service: `shop-${service}`,
      version: `1.${generation}.0`,
      instance: `${service}${instance}-${generation.toString(16).padStart(6, '0')}-4b6f-8a41-c0ffee123456`,
      first: number * items,
      items,
      ...(errorEvery !== undefined && { errorEvery }),
    };
  }

  #versionOf(service: number, turn: number, sinceMs: number): { generation: number; errorEvery?: number } {
    const { everyMs, canaryMs } = this.#pace;
    // Services do not roll over together, and none at once.
    const atMs = sinceMs - everyMs / 2 + (service * everyMs) / SERVICES / 2;
    const generation = Math.max(0, Math.floor(atMs / everyMs) + 1);
    const isNew = generation > 0 && atMs - (generation - 1) * everyMs < canaryMs;
    const takesPart = isNew && turn % (1 / CANARY_SHARE) === 0;
    if (takesPart) return { generation, ...(isBad(generation) && { errorEvery: BAD_ERROR_EVERY }) };
    return { generation: good(isNew ? generation - 1 : generation) };
  }
}

function isBad(generation: number): boolean {
  return generation > 0 && generation % BAD_EVERY === 0;
}

/** A bad version was taken back: the one before it goes on. */
function good(generation: number): number {
  return isBad(generation) ? generation - 1 : generation;
}
