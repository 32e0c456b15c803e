import { z } from 'zod';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Override, OverrideKind } from '../../proto/windback/status.ts';

export const OVERRIDE_KINDS = ['pin', 'ignore', 'approve'] as const satisfies readonly OverrideKind[];

/** No control characters: what a person wrote is printed on the terminals of others. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}\p{Cf}]*$/u, 'want text without control characters');

const moment = z.iso.datetime({ offset: true });

const storedOverride = z.strictObject({
  kind: z.enum(OVERRIDE_KINDS),
  // As telemetry has them, where a bare name or no version was given: what could be set must be readable again.
  service: z.string().min(1),
  version: z.string().min(1).nullable(),
  until: moment.nullable(),
  by: text(200),
  reason: text(1000),
  set_at: moment,
});

/** What a person sets: an override but for when it was set. */
export const overrideRequest = z.strictObject({
  kind: z.enum(OVERRIDE_KINDS, `want one of: ${OVERRIDE_KINDS.join(', ')}`),
  service: text(1000).min(1),
  version: text(500).min(1).nullable().default(null),
  until: moment.nullable().default(null),
  by: text(200).default(''),
  reason: text(1000).default(''),
});

export type OverrideRequest = z.output<typeof overrideRequest>;

const stored = z.strictObject({ overrides: z.array(storedOverride) });

const MAX_OVERRIDES = 1000;

/**
 * What people have said about versions, by service key and version: at most one override for each, and one for all
 * versions of a service. Times are those of the caller, ms since the epoch; one that has ended is as good as removed.
 */
export class Overrides {
  readonly #limit: number;
  #overrides = new Map<string, Override>();

  constructor(limit = MAX_OVERRIDES) {
    this.#limit = limit;
  }

  /** What is in force for a version: what was said of it, else what was said of its whole service. */
  of(service: string, version: string, nowMs: number): Override | undefined {
    for (const key of [keyOf(service, version), keyOf(service, null)]) {
      const found = this.#overrides.get(key);
      if (found !== undefined && isInForce(found, nowMs)) return found;
    }
    return undefined;
  }

  /** All in force, by service, then version. */
  list(nowMs: number): readonly Override[] {
    return [...this.#overrides]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, override]) => override)
      .filter((override) => isInForce(override, nowMs));
  }

  /** Takes the place of what was said before of the same. Throws `api_invalid` or `api_conflict`. */
  set(wanted: OverrideRequest, nowMs: number): Override {
    if (wanted.kind === 'approve' && wanted.version === null) {
      throw new PipelineError('api_invalid', 'approve needs a version: one cannot vouch for versions to come');
    }
    if (wanted.until !== null && Date.parse(wanted.until) <= nowMs) {
      throw new PipelineError('api_invalid', `until is in the past: ${wanted.until}`);
    }
    this.#dropEnded(nowMs);
    const key = keyOf(wanted.service, wanted.version);
    if (!this.#overrides.has(key) && this.#overrides.size >= this.#limit) {
      throw new PipelineError('api_invalid', `${this.#limit} overrides are set, the most there can be; remove some`);
    }
    const override = { ...wanted, set_at: new Date(nowMs).toISOString() };
    this.#overrides.set(key, override);
    return override;
  }

  /** What was removed; undefined where nothing was in force. */
  remove(service: string, version: string | null, nowMs: number): Override | undefined {
    const key = keyOf(service, version);
    const found = this.#overrides.get(key);
    this.#overrides.delete(key);
    return found !== undefined && isInForce(found, nowMs) ? found : undefined;
  }

  /** As JSON, the same for the same overrides in whatever order they were set. */
  save(): string {
    const all = [...this.#overrides].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, override]) => override);
    return JSON.stringify({ overrides: all });
  }

  /** Takes the place of all that is set. Throws `state_damaged` where it is not what `save` gave. */
  restore(saved: string): void {
    const parsed = stored.safeParse(jsonOf(saved));
    if (!parsed.success) throw new PipelineError('state_damaged', `overrides: ${z.prettifyError(parsed.error)}`);
    this.#overrides = new Map(
      parsed.data.overrides.map((override) => [keyOf(override.service, override.version), override]),
    );
  }

  #dropEnded(nowMs: number): void {
    for (const [key, override] of this.#overrides) if (!isInForce(override, nowMs)) this.#overrides.delete(key);
  }
}

function isInForce({ until }: Override, nowMs: number): boolean {
  return until === null || nowMs < Date.parse(until);
}

function keyOf(service: string, version: string | null): string {
  return JSON.stringify(version === null ? [service] : [service, version]);
}

function jsonOf(saved: string): unknown {
  try {
    return JSON.parse(saved);
  } catch {
    return undefined;
  }
}
