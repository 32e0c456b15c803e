import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RedactionConfig, redactionConfig } from '../../../processors/redaction/config.ts';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { WORDS } from '../../proto/otlp/otlp-words.ts';
import { encodeTree, mutated, type Vocabulary, wireTree } from '../../support/otlp-wire.ts';
import { Reference } from './reference.ts';
import { Redacting } from './support.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;

const words: Vocabulary = {
  ...WORDS,
  strings: [...WORDS.strings, 'x'.repeat(130), `${'y'.repeat(120)} secret`, 'secret', 'a secret and a secret', '****'],
  integers: [...WORDS.integers, 4_111_111_111_111_111n, 2n ** 63n - 1n],
};

/** Few keys and patterns, so that they meet. */
const some = (...of: string[]) => fc.subarray(of);
const configs = fc
  .record({
    allow_all_keys: fc.boolean(),
    allowed_keys: some('http.route', 'http.method', 'rpc.status_code', 'db.system', 'service.name', 'server.address'),
    ignored_keys: some('http.route', 'db.system', 'peer.service'),
    ignored_key_patterns: some('^rpc\\.', 'version$'),
    blocked_key_patterns: some('status', 'name$', '^server', 'é'),
    blocked_values: some('secret', 'items|DATA', '[0-9]{3,}', '\\*', '^.', 'y+ s', '\\bm'),
    allowed_values: some('^GET$', '0$', '^a secret'),
    redact_all_types: fc.boolean(),
    hash_function: fc.constantFrom(undefined, undefined, 'sha256' as const),
  })
  .map((config) => redactionConfig.parse(config));

describe.each(SIGNALS)('%s redacted', (signal) => {
  const type = requestType(signal);
  const requests = wireTree(type, words);

  test('are, byte for byte, what they should be: all that is not redacted stands as it stood', async () => {
    await fc.assert(
      fc.asyncProperty(requests, configs, async (request, config) => {
        const reference = new Reference(config);
        const expected = encodeTree(reference.tree(type, request));
        const redacting = new Redacting(config);
        expect(hex(await redacting.bytes(signal, encodeTree(request)))).toBe(hex(expected));
        expect(await redacting.counts()).toEqual({ removed: reference.removed, masked: reference.masked });
      }),
      { numRuns: 150 },
    );
  });

  test('decode to what a full decode gives, redacted', async () => {
    await fc.assert(
      fc.asyncProperty(requests, configs, async (request, config) => {
        const bytes = encodeTree(request);
        const expected = new Reference({ ...config, hash_function: undefined }).object(type, decoded(bytes));
        const redacting = new Redacting({ ...config, hash_function: undefined });
        expect(decoded(await redacting.bytes(signal, bytes))).toEqual(expected);
      }),
      { numRuns: 80 },
    );
  });

  test('a second time are the same, where no mask is a match', async () => {
    // A mask is a match itself, or, as in `mm`, what stands behind it is one from now on.
    const unstable = ['^.', '\\*', '\\bm'];
    const stable = configs.filter(
      ({ blocked_values, hash_function }) =>
        hash_function === undefined && !blocked_values.some((source) => unstable.includes(source)),
    );
    await fc.assert(
      fc.asyncProperty(requests, stable, async (request, config) => {
        const once = await new Redacting(config).bytes(signal, encodeTree(request));
        expect(hex(await new Redacting(config).bytes(signal, once))).toBe(hex(once));
      }),
      { numRuns: 80 },
    );
  });

  test('where they are malformed are refused, or read as they are everywhere: none is passed on half read', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(requests.map(encodeTree)), configs, async (bytes, config) => {
        const batch = openOrNothing(bytes);
        fc.pre(batch !== undefined);
        const before = Buffer.from(bytes);
        const outcome = await new Redacting(config).batch(batch as TelemetryBatch).catch((error: unknown) => error);
        expect(Buffer.compare(before, bytes)).toBe(0);
        if (outcome instanceof TelemetryBatch) {
          expect(outcome.items).toBe(batch?.items);
          expect(outcome.columns.resources.count).toBe(batch?.columns.resources.count);
        } else {
          expect(outcome).toBeInstanceOf(PipelineError);
          expect((outcome as PipelineError).code).toBe('malformed');
        }
      }),
      { numRuns: 150 },
    );
  });

  function decoded(bytes: Uint8Array): unknown {
    return type.toObject(type.decode(bytes), { longs: String, arrays: true });
  }

  function openOrNothing(bytes: Uint8Array): TelemetryBatch | undefined {
    try {
      return TelemetryBatch.open(signal, bytes);
    } catch (error) {
      if (error instanceof WireError) return undefined;
      throw error;
    }
  }
});

test('the words and the configurations meet: every kind of change is made', async () => {
  const totals = { removed: 0, masked: 0, unchanged: 0, runs: 0 };
  const type = requestType('traces');
  const samples = fc.sample(fc.tuple(wireTree(type, words), configs), { numRuns: 100, seed: 1 });
  for (const [request, config] of samples as [never, RedactionConfig][]) {
    const reference = new Reference(config);
    const bytes = encodeTree(request);
    if (encodeTree(reference.tree(type, request)).equals(bytes)) totals.unchanged++;
    totals.removed += reference.removed;
    totals.masked += reference.masked;
  }
  expect(totals.removed).toBeGreaterThan(50);
  expect(totals.masked).toBeGreaterThan(50);
  expect(totals.unchanged).toBeGreaterThan(5);
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
