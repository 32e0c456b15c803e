import type { Headers } from '../../pipeline/http2/protocol.ts';
import type { Clock } from '../../pipeline/clock.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Budget } from './budget.ts';
import type { TenantLimits, TenantsConfig } from './config.ts';

/** Tenants that have limits of their own; what comes beyond them shares those of one. */
const TENANTS_MAX = 10_000;
/** Longer names are nobody's: kept for each, they would take more memory than the requests. */
const NAME_CHARS_MAX = 256;
/** How often to look for tenants that are idle: that goes through all of them, and strangers can ask for it. */
const SWEEP_MS = 1000;
/** How much a tenant may send at once beyond its rate, in seconds of it. */
const BURST_SECONDS = 2;

/** What each tenant, as a header names it, may send. */
export class Tenants {
  readonly #config: TenantsConfig;
  readonly #all: Budget;
  readonly #clock: Clock;
  readonly #header: string;
  readonly #unnamed: string;
  readonly #tenants = new Map<string, Tenant>();
  readonly #others: Tenant;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  /** `all`: what requests of all tenants may hold together. */
  constructor(config: TenantsConfig, all: Budget, clock: Clock) {
    this.#config = config;
    this.#all = all;
    this.#clock = clock;
    this.#header = config.header.toLowerCase();
    this.#unnamed = `requests without header ${config.header}`;
    this.#others = new Tenant('tenant others', 'tenants', config, all, clock.now());
  }

  /**
   * The budget that the body of a request with these headers is taken from. Throws `tenant_limit` where its tenant has sent
   * more than its rate allows.
   */
  budgetFor(headers: Headers): Budget {
    const nowMs = this.#clock.now();
    const tenant = this.#tenant(headers[this.#header] ?? '', nowMs);
    tenant.checkRate(nowMs);
    return tenant.budget;
  }

  #tenant(told: string, nowMs: number): Tenant {
    const known = this.#tenants.get(told);
    if (known !== undefined) return known;
    const { overrides } = this.#config;
    // A name comes from outside: what every object has, such as `constructor`, is no limit.
    const own = Object.hasOwn(overrides, told) ? overrides[told] : undefined;
    if (told.length > NAME_CHARS_MAX && own === undefined) return this.#others;
    if (this.#tenants.size >= TENANTS_MAX) this.#forgetIdle(nowMs);
    // Whoever makes up names must not get limits by it.
    if (this.#tenants.size >= TENANTS_MAX && own === undefined) return this.#others;
    const name = copyOf(told);
    const who = name === '' ? this.#unnamed : `tenant ${name}`;
    const keys = own === undefined ? 'tenants' : `tenants.overrides.${name}`;
    const tenant = new Tenant(who, keys, own ?? this.#config, this.#all, nowMs);
    this.#tenants.set(name, tenant);
    return tenant;
  }

  #forgetIdle(nowMs: number): void {
    const sinceMs = nowMs - this.#sweptAtMs;
    // Below 0 where the clock was set back.
    if (sinceMs >= 0 && sinceMs < SWEEP_MS) return;
    this.#sweptAtMs = nowMs;
    for (const [name, tenant] of this.#tenants) if (tenant.isIdle(nowMs)) this.#tenants.delete(name);
  }
}

/** The same text in memory of its own: as a part of a request's head it would keep all of that alive. */
function copyOf(text: string): string {
  // Of all encodings the one that changes no text whatever: changed, it would not be found again.
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

class Tenant {
  readonly budget: Budget;
  readonly #who: string;
  /** Bytes per second; infinite where there is no limit. */
  readonly #rate: number;
  /** Bytes that may be sent now; below 0 after a request that was larger. */
  #left: number;
  #atMs: number;

  /** `keys`: the part of the configuration of the receiver that has the limits. */
  constructor(who: string, keys: string, limits: TenantLimits, all: Budget, nowMs: number) {
    this.#who = who;
    this.#rate = limits.max_bytes_per_second ?? Number.POSITIVE_INFINITY;
    this.#left = this.#rate * BURST_SECONDS;
    this.#atMs = nowMs;
    const { max_in_flight: ownBytes = all.limitBytes } = limits;
    const limitBytes = Math.min(ownBytes, all.limitBytes);
    const name = ownBytes < all.limitBytes ? `${keys}.max_in_flight of ${who}` : all.name;
    this.budget = new Budget(limitBytes, undefined, {
      all,
      name,
      refusal: (held) => new PipelineError('tenant_limit', `${held} of ${limitBytes} bytes of ${name} are in use`),
      charge: (bytes) => void (this.#left -= bytes),
    });
  }

  checkRate(nowMs: number): void {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    this.#refill(nowMs);
    if (this.#left > 0) return;
    const retryAfterMs = Math.ceil((-this.#left / this.#rate) * 1000) + 1;
    throw new PipelineError('tenant_limit', `${this.#who} may send ${this.#rate} bytes a second`, { retryAfterMs });
  }

  isIdle(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.budget.usedBytes === 0 && this.#left >= this.#rate * BURST_SECONDS;
  }

  #refill(nowMs: number): void {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    const gained = (Math.max(nowMs - this.#atMs, 0) / 1000) * this.#rate;
    this.#left = Math.min(this.#rate * BURST_SECONDS, this.#left + gained);
    this.#atMs = nowMs;
  }
}
