/** What is compared. */
import { usage } from '../../cmd/args.ts';
import type { Encoding } from '../load/body.ts';
import type { Protocol } from '../load/senders.ts';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';

/**
 * `pass`: OTLP in, OTLP out. `tag`: the version of each resource is written down on the way. `judge`: tagged, and counted
 * by version and operation every second; nothing is forwarded.
 */
export type Work = 'pass' | 'tag' | 'judge';

export interface Case {
  readonly name: string;
  readonly work: Work;
  readonly signal: TelemetrySignal;
  /** The same in and out. */
  readonly protocol: Protocol;
  readonly encoding: Encoding;
  /** Items a request. */
  readonly size: number;
  /** Whether requests are joined by the batch processor. */
  readonly isBatched: boolean;
  /** Whether it also runs without pinning, on all cores. */
  readonly isUnpinned: boolean;
}

type Parts = Partial<Omit<Case, 'name'>>;

function named(work: Work, parts: Parts = {}): Case {
  const one = {
    work,
    signal: 'traces',
    protocol: 'grpc',
    encoding: 'identity',
    size: 512,
    isBatched: false,
    isUnpinned: false,
    ...parts,
  } satisfies Omit<Case, 'name'>;
  const name = [
    work,
    ...(one.signal === 'traces' ? [] : [one.signal]),
    one.protocol,
    ...(one.encoding === 'identity' ? [] : [one.encoding]),
    one.size,
    ...(one.isBatched ? ['batch'] : []),
  ].join('-');
  return { name, ...one };
}

const PROTOCOLS = ['grpc', 'http'] as const;

/** Every case, those of one table together. */
export const CASES: readonly Case[] = [
  ...PROTOCOLS.map((protocol) => named('pass', { protocol, isUnpinned: true })),
  ...PROTOCOLS.map((protocol) => named('pass', { protocol, encoding: 'gzip' })),
  ...PROTOCOLS.map((protocol) => named('pass', { protocol, encoding: 'zstd' })),
  ...PROTOCOLS.flatMap((protocol) => [named('pass', { protocol, size: 100 }), named('pass', { protocol, size: 8192 })]),
  ...PROTOCOLS.map((protocol) => named('tag', { protocol, isUnpinned: true })),
  ...PROTOCOLS.map((protocol) => named('tag', { protocol, encoding: 'gzip' })),
  named('tag', { size: 100 }),
  named('tag', { size: 8192 }),
  named('tag', { isBatched: true }),
  ...PROTOCOLS.map((protocol) => named('judge', { protocol, isUnpinned: true })),
  ...PROTOCOLS.map((protocol) => named('judge', { protocol, encoding: 'gzip' })),
  ...PROTOCOLS.map((protocol) => named('judge', { protocol, size: 8192 })),
  ...PROTOCOLS.map((protocol) => named('judge', { protocol, size: 8192, encoding: 'gzip' })),
  named('judge', { size: 100 }),
  ...(['metrics', 'logs'] as const).flatMap((signal) => [named('pass', { signal }), named('tag', { signal })]),
];

/** What `bench:smoke` runs. */
export const SMOKE = ['pass-http-512', 'tag-grpc-gzip-512', 'judge-grpc-512', 'pass-logs-grpc-512'];

/** The cases that patterns name, with `*` for any text; all of them for none. Throws where one names nothing. */
export function casesNamed(patterns: readonly string[]): Case[] {
  const matchers = patterns.map((pattern) => {
    const matcher = new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
    if (!CASES.some(({ name }) => matcher.test(name))) throw usage(`there is no case ${pattern}`);
    return matcher;
  });
  return CASES.filter(({ name }) => matchers.length === 0 || matchers.some((matcher) => matcher.test(name)));
}

/** `gRPC, gzip, 512 spans a request` */
export function titleOf({ signal, protocol, encoding, size, isBatched }: Case): string {
  const items = { traces: 'spans', metrics: 'points', logs: 'records' }[signal];
  const transport = protocol === 'grpc' ? 'gRPC' : 'HTTP';
  return `${transport}${encoding === 'identity' ? '' : `, ${encoding}`}, ${size} ${items}${isBatched ? ', batched' : ''}`;
}
