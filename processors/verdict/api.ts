import { chooseDecision } from '../../pipeline/choose-decision.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import type { RouteAnswer, RouteRequest, Routes } from '../../pipeline/routes.ts';
import { type DecisionEvent, structuredEvent } from '../../proto/windback/decision.ts';
import { explain } from '../../proto/windback/explain.ts';
import type { Override, RolloutStatus } from '../../proto/windback/status.ts';
import type { Outcome } from './recovery.ts';
import { type Overrides, type OverrideRequest, overrideRequest } from './overrides.ts';

/** What the API sees of the judge. */
export interface JudgeView {
  /** Rollouts under way, by service key, then candidate. */
  status(): readonly RolloutStatus[];
  decision(id: string): DecisionEvent | undefined;
  /** What became of the service after a rollback; undefined while that is open, or for other decisions. */
  outcome(id: string): Outcome | undefined;
  /** The latest `limit` decisions, the newest first. */
  decisions(limit: number): readonly DecisionEvent[];
}

/** An override that was just set or removed. */
export interface OverrideChange {
  readonly action: 'set' | 'removed';
  readonly override: Override;
}

export interface ApiSurroundings {
  /** The present, ms since the epoch. */
  readonly now: () => number;
  /** Makes the overrides durable before the caller is told; where it throws, the change is taken back. */
  readonly changed: (change: OverrideChange) => void;
  /** Whether what was set before is known; always, unless given. Until then nothing is changed: it would be lost. */
  readonly isReady?: () => boolean;
}

const DECISIONS_DEFAULT = 50;
const DECISIONS_MAX = 1000;
/** When to ask again what cannot be done while it starts. */
const RETRY_AFTER_MS = 1000;

/** Registers what the operator may ask of the judge. */
export function registerRoutes(
  routes: Routes,
  view: JudgeView,
  overrides: Overrides,
  surroundings: ApiSurroundings,
): void {
  const { now } = surroundings;
  const named = ({ params }: RouteRequest) => find(view, params.id as string);
  routes.add('GET', '/api/rollouts', () => ({ json: { rollouts: view.status() } }));
  routes.add('GET', '/api/decisions', ({ query }) => {
    const decisions = view.decisions(limitOf(query.get('limit')));
    const json = {
      decisions: decisions.map((event) => ({ ...structuredEvent(event), outcome: view.outcome(event.id) ?? null })),
    };
    return { json };
  });
  routes.add('GET', '/api/decisions/{id}', (request) => {
    const event = named(request);
    return { json: { ...structuredEvent(event), outcome: view.outcome(event.id) ?? null } };
  });
  routes.add('GET', '/api/decisions/{id}/explain', (request) => {
    const event = named(request);
    return { text: explain(event) + afterwards(view.outcome(event.id)) };
  });
  routes.add('GET', '/api/overrides', () => ({ json: { overrides: overrides.list(now()) } }));
  routes.add('POST', '/api/overrides', ({ body }) => setOverride(requestOf(body), view, overrides, surroundings));
  routes.add('DELETE', '/api/overrides', ({ query }) => removeOverride(query, view, overrides, surroundings));
}

function afterwards(outcome: Outcome | undefined): string {
  if (outcome === undefined) return '';
  const what =
    outcome === 'recovered'
      ? 'the candidate is gone and the service is healthy again: recovered'
      : 'the service did not come back to health in time: not recovered';
  return `\nAfterwards\n  ${what}\n`;
}

function limitOf(given: string | null): number {
  const limit = given === null ? DECISIONS_DEFAULT : Number(given);
  if (Number.isInteger(limit) && limit >= 1 && limit <= DECISIONS_MAX) return limit;
  throw new PipelineError('api_invalid', `limit is ${given}; want a whole number from 1 to ${DECISIONS_MAX}`);
}

/** The decision with this id, or the only one whose id begins so. */
function find(view: JudgeView, id: string): DecisionEvent {
  return view.decision(id) ?? chooseDecision(view.decisions(DECISIONS_MAX), id);
}

function requestOf(body: unknown): OverrideRequest {
  const parsed = overrideRequest.safeParse(body);
  if (parsed.success) return parsed.data;
  const said = parsed.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new PipelineError('api_invalid', said.join('; '));
}

function setOverride(
  wanted: OverrideRequest,
  view: JudgeView,
  overrides: Overrides,
  { now, changed, isReady }: ApiSurroundings,
): RouteAnswer {
  requireReady(isReady);
  const service = serviceOf(wanted.service, view, []);
  const version = wanted.kind === 'approve' ? (wanted.version ?? onlyCandidate(service, view)) : wanted.version;
  const override = keepingBoth(overrides, () => {
    const made = overrides.set({ ...wanted, service, version }, now());
    changed({ action: 'set', override: made });
    return made;
  });
  return { json: { override } };
}

function removeOverride(
  query: URLSearchParams,
  view: JudgeView,
  overrides: Overrides,
  { now, changed, isReady }: ApiSurroundings,
): RouteAnswer {
  requireReady(isReady);
  const given = query.get('service');
  if (given === null) throw new PipelineError('api_invalid', 'which service? Add ?service= and, if need be, &version=');
  const version = query.get('version');
  const known = overrides.list(now());
  const service = serviceOf(given, view, known);
  const override = keepingBoth(overrides, () => {
    const removed = overrides.remove(service, version, now());
    if (removed !== undefined) changed({ action: 'removed', override: removed });
    return removed;
  });
  if (override !== undefined) return { json: { override } };
  const others = known.filter((one) => one.service === service).map((one) => one.version ?? 'all versions');
  const what = `no override of ${service} ${version ?? '(all versions)'}`;
  throw new PipelineError(
    'api_not_found',
    `${what}; ${others.length === 0 ? 'it has none' : `there is ${others.join(', ')}`}`,
  );
}

function requireReady(isReady: () => boolean = () => true): void {
  if (isReady()) return;
  const detail = 'the judge has not read yet what it remembers, and nothing was changed';
  throw new PipelineError('api_not_ready', detail, { retryAfterMs: RETRY_AFTER_MS });
}

/** What is set and what was made durable stay the same, also where the latter fails. */
function keepingBoth<T>(overrides: Overrides, change: () => T): T {
  const before = overrides.save();
  try {
    return change();
  } catch (thrown) {
    overrides.restore(before);
    throw thrown;
  }
}

/** A service key as it is; a bare name stands for the only service of this name that is rolling out or overridden. */
function serviceOf(given: string, view: JudgeView, overridden: readonly Override[]): string {
  if (given.includes('/')) return given;
  const keys = new Set([...view.status().map(({ key }) => key), ...overridden.map(({ service }) => service)]);
  const fitting = [...keys].filter((key) => key.split('/')[1] === given).sort();
  if (fitting.length === 1) return fitting[0] as string;
  if (fitting.length > 1)
    throw new PipelineError('api_conflict', `several services are called ${given}: ${fitting.join(', ')}`);
  const others = keys.size === 0 ? '' : `; those known are ${[...keys].sort().slice(0, 20).join(', ')}`;
  throw new PipelineError(
    'api_not_found',
    `no service called ${given} is rolling out; give its key, namespace/name/environment, such as /${given}/${others}`,
  );
}

function onlyCandidate(service: string, view: JudgeView): string {
  const candidates = view
    .status()
    .filter(({ key }) => key === service)
    .map(({ candidate }) => candidate.version);
  if (candidates.length === 1) return candidates[0] as string;
  if (candidates.length > 1)
    throw new PipelineError('api_conflict', `candidates of ${service}: ${candidates.join(', ')}`);
  throw new PipelineError('api_invalid', `approve needs a version: nothing of ${service} is rolling out`);
}
