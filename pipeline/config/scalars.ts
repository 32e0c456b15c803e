import { z } from 'zod';

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A duration as people write it: `250ms`, `10s`, `1m30s`, `1h`. The parsed value is in milliseconds. */
export const duration = z
  .string()
  .regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, 'want a duration with a unit, such as 500ms, 10s, 5m or 1h')
  .transform((text) => parseUnits(text, /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g, DURATION_MS))
  .meta({ scalar: 'duration' });

/** A size as people write it: `512KiB`, `64MiB`. The parsed value is in bytes. */
export const size = z
  .string()
  .regex(/^\d+(\.\d+)?(B|KiB|MiB|GiB)$/, 'want a size with a unit, such as 512KiB, 64MiB or 1GiB')
  .transform((text) => Math.floor(parseUnits(text, /(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)/g, SIZE_BYTES)))
  .meta({ scalar: 'size' });

/** `host:port`, `[ipv6]:port` or `:port` (every interface). Port 0 asks the system for a free one. */
export const endpoint = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s/[\]]*):\d{1,5}$/, 'want host:port, such as localhost:4317')
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
    return { host: host === '' ? '0.0.0.0' : host, port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, 'want a port from 0 to 65535')
  .meta({ scalar: 'endpoint' });

/** A value that must never be shown: it parses to a plain string and prints as `[REDACTED]`. */
export const secret = z.string().meta({ secret: true });

export type Endpoint = z.output<typeof endpoint>;

function parseUnits(text: string, part: RegExp, units: Readonly<Record<string, number>>): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(part)) total += Number(amount) * (units[unit as string] as number);
  return total;
}
