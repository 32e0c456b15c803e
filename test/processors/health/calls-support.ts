/** What tests of calls share: spans that know their parents, and what became of them. */
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { counted } from '../../support/context.ts';
import { type SpanSpec, traces } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

export const INTERNAL = 1;
export const SERVER = 2;
export const CLIENT = 3;
export const PRODUCER = 4;
export const CONSUMER = 5;

const id = (n: number) => n.toString(16).padStart(16, '0');
export const span = (
  kind: number,
  own: number,
  parent: number | undefined,
  rest: Partial<SpanSpec> = {},
): SpanSpec => ({
  end: NOW,
  kind,
  spanId: id(own),
  name: 'op',
  ...(parent === undefined ? {} : { parentId: id(parent) }),
  ...rest,
});
export async function fold(batches: readonly (readonly SpanSpec[])[], config: Record<string, unknown> = {}) {
  const folding = new Folding(config);
  for (const items of batches) await folding.consume(traces({ resource: RESOURCE, items }));
  return folding;
}

/** `name: {bins}` of each series of calls, and `name bad` of each of origins. */
export function joined(series: readonly DeltaSeries[]): string[] {
  return series
    .filter(({ kind }) => kind === 'calls' || kind === 'origin')
    .map(({ kind, operation, name, all, bad, bins }) =>
      [kind, operation, name, all, bad, ...bins.bin.map((bin, i) => `${bin}x${bins.count[i]}`)].join(' '),
    )
    .sort();
}

export const dropped = (folding: Folding, reason: string) =>
  counted(folding.context, 'windback_health_dropped_calls_total', { processor: 'health', reason });
