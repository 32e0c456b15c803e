import { FRONTEND, nameOf } from './cast.ts';

/** What customers did and got, by version. */
export interface Count {
  requests: number;
  failed: number;
}

const PRODUCTS = ['window', 'winch', 'clock', 'rope'];
/** What customers do: look at all products, at one, or buy. */
const SHARE_LIST = 0.35;
const SHARE_PRODUCT = 0.25;
/** The share of buyers who pay with a new gift card, which is what 1.4.2 breaks for. */
const SHARE_GIFT_CARD = 0.25;
const TIMEOUT_MS = 5000;

/** Customers who arrive at random, so many a second on average (a Poisson process), at the frontend. */
export class Traffic {
  readonly #url: string;
  readonly #perSecond: number;
  readonly #counts = new Map<string, Count>();
  #timer: NodeJS.Timeout | undefined;
  #dueMs = 0;
  #isStopped = false;

  constructor(url: string, perSecond: number) {
    this.#url = url;
    this.#perSecond = perSecond;
  }

  start(): void {
    this.#dueMs = performance.now();
    this.#next();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** What the customers saw of a version. */
  of(name: string): Readonly<Count> {
    return this.#counts.get(name) ?? { requests: 0, failed: 0 };
  }

  #next(): void {
    if (this.#isStopped) return;
    // Due times do not depend on when timers really fire, so that the average rate holds.
    this.#dueMs += (-Math.log(1 - Math.random()) / this.#perSecond) * 1000;
    this.#timer = setTimeout(
      () => {
        void this.#visit();
        this.#next();
      },
      Math.max(0, this.#dueMs - performance.now()),
    );
  }

  async #visit(): Promise<void> {
    try {
      const answer = await this.#request();
      await answer.arrayBuffer();
      for (const part of (answer.headers.get('x-served-by') ?? '').split(', ')) {
        const [service = '', version = '', status = ''] = part.split(' ');
        this.#count(`${service} ${version}`, Number(status) >= 500);
      }
    } catch {
      if (!this.#isStopped) this.#count(nameOf(FRONTEND), true);
    }
  }

  #request(): Promise<Response> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const dice = Math.random();
    if (dice < SHARE_LIST) return fetch(`${this.#url}/products`, { signal });
    if (dice < SHARE_LIST + SHARE_PRODUCT) {
      return fetch(`${this.#url}/products/${PRODUCTS[Math.floor(Math.random() * PRODUCTS.length)]}`, { signal });
    }
    const payment = Math.random() < SHARE_GIFT_CARD ? { giftCard: { number: 'GC-2026-0001' } } : {};
    return fetch(`${this.#url}/checkout`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ total: 89, ...payment }),
      signal,
    });
  }

  #count(name: string, isFailed: boolean): void {
    const count = this.#counts.get(name) ?? { requests: 0, failed: 0 };
    count.requests++;
    if (isFailed) count.failed++;
    this.#counts.set(name, count);
  }
}
