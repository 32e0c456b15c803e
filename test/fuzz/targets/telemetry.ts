/** Requests over OTLP, from their bytes to what is forwarded and what is folded. */
import { constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { type Encoding, inflate } from '../../../pipeline/compression.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import type { Consumer, Outlets } from '../../../pipeline/component.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { deployment } from '../../../processors/deployment/factory.ts';
import { health } from '../../../processors/health/factory.ts';
import { convertJson } from '../../../proto/otlp/json-lane.ts';
import { redaction } from '../../../processors/redaction/factory.ts';
import { JsonError, jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { testContext } from '../../support/context.ts';
import { requestBytes, requestJson } from '../../support/otlp-requests.ts';
import { allowing, type Target } from '../target.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const satisfies readonly TelemetrySignal[];
const LIMIT = 1024 * 1024;
const SEED_ITEMS = [1, 3, 40];
const INPUTS_PER_FLUSH = 100;

function outletsTo(consumer: Consumer): Outlets {
  return { to: () => consumer, has: () => true };
}

/** Tags and folds; what would be forwarded must be a request of as many items. */
function pipeline(signal: TelemetrySignal, target: 'resource' | 'item'): (bytes: Uint8Array) => Promise<void> {
  const end: Consumer = {
    async consume(batch) {
      if (!(batch instanceof TelemetryBatch)) return;
      const again = TelemetryBatch.open(signal, batch.encoded());
      if (again.items !== batch.items) throw new Error(`${batch.items} items came in, ${again.items} go out`);
    },
  };
  const config = health.config.parse({});
  const clock = new ManualClock();
  const fold = health.create(config, outletsTo(end), testContext('health', { clock }));
  const started = fold.start();
  const tag = deployment.create(deployment.config.parse({ target }), outletsTo(fold), testContext('deployment'));
  let inputs = 0;
  return async (bytes) => {
    await started;
    let batch: TelemetryBatch | undefined;
    allowing([WireError], () => (batch = TelemetryBatch.open(signal, bytes)));
    if (batch !== undefined) await tag.consume(batch);
    // What is folded goes on from time to time, as it does where it runs; else it could only become more.
    if (++inputs % INPUTS_PER_FLUSH === 0) await clock.advanceTo(clock.now() + config.flush_interval);
  };
}

const protobuf = SIGNALS.flatMap((signal) =>
  (['resource', 'item'] as const).map(
    (target): Target => ({
      name: `protobuf ${signal}, tagged by ${target}`,
      seeds: SEED_ITEMS.map((items) => requestBytes(signal, items)),
      words: ['service.name', 'service.version', 'http.response.status_code', 'exception', 'deployment'],
      run: pipeline(signal, target),
    }),
  ),
);

const newRooms = { take: (bytes: number) => Buffer.alloc(bytes), give: () => {} };

/** A request with its fields in the order of their numbers. */
function inOrder(signal: TelemetrySignal, bytes: Uint8Array): string {
  const type = requestType(signal);
  return Buffer.from(type.encode(type.decode(bytes)).finish()).toString('latin1');
}

const SECRET = 'sesame';

/** Redacts; what goes on must be a request of as many items, in which nothing is left to redact. */
function redacting(signal: TelemetrySignal, summary: string): (bytes: Uint8Array) => Promise<void> {
  const config = {
    allowed_keys: ['service.name', 'n'],
    ignored_keys: ['service.version'],
    blocked_key_patterns: ['word$'],
    blocked_values: [SECRET, '[0-9]{4,}'],
    redact_all_types: true,
    summary,
  };
  const end: Consumer = {
    async consume(batch) {
      if (!(batch instanceof TelemetryBatch)) return;
      const again = TelemetryBatch.open(signal, batch.bytes);
      if (again.items !== batch.items) throw new Error(`${batch.items} items came in, ${again.items} go out`);
      if (summary === 'silent') await repeat.consume(again);
    },
  };
  let before: Uint8Array = new Uint8Array();
  const same: Consumer = {
    async consume(batch) {
      if (!(batch instanceof TelemetryBatch)) return;
      if (Buffer.compare(batch.bytes, before) !== 0) throw new Error('redacted again, it is not the same');
    },
  };
  const second = redaction.create(redaction.config.parse(config), outletsTo(same), testContext('redaction'));
  const repeat: Consumer = {
    async consume(batch) {
      before = (batch as TelemetryBatch).bytes;
      await second.consume(batch);
    },
  };
  const redact = redaction.create(redaction.config.parse(config), outletsTo(end), testContext('redaction'));
  return async (bytes) => {
    let batch: TelemetryBatch | undefined;
    allowing([WireError], () => (batch = TelemetryBatch.open(signal, bytes)));
    if (batch === undefined) return;
    await redact.consume(batch).catch((error: unknown) => {
      if (!(error instanceof PipelineError && error.code === 'malformed')) throw error;
    });
  };
}

const redacted = SIGNALS.flatMap((signal) =>
  ['silent', 'debug'].map(
    (summary): Target => ({
      name: `protobuf ${signal}, redacted, summary ${summary}`,
      seeds: SEED_ITEMS.map((items) => requestBytes(signal, items)),
      words: ['service.name', 'service.version', 'password', SECRET, 'redaction.masked.keys', 'redaction.masked.count'],
      run: redacting(signal, summary),
    }),
  ),
);

const json = SIGNALS.map(
  (signal): Target => ({
    name: `JSON ${signal}`,
    seeds: SEED_ITEMS.map((items) => Buffer.from(JSON.stringify(requestJson(signal, items)))),
    words: [
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      'null',
      '1e999',
      '-0',
      '"NaN"',
      '\\u0000',
      '\\ud800',
      '"stringValue"',
      '"kvlistValue"',
      '"arrayValue"',
    ],
    run(input) {
      let bytes: Uint8Array | undefined;
      allowing([JsonError], () => (bytes = jsonToProtobuf(signal, input)));
      // What we have written ourselves must be right, but for the number of items that a request may have.
      if (bytes !== undefined) TelemetryBatch.open(signal, bytes);
      const inOnePass = convertJson(signal, input, newRooms);
      if (inOnePass === undefined) return;
      if (bytes === undefined) throw new Error('one pass takes what is refused');
      if (inOrder(signal, inOnePass.bytes) !== inOrder(signal, bytes)) throw new Error('one pass means something else');
    },
  }),
);

const pack: Readonly<Record<Exclude<Encoding, 'identity'>, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gzipSync,
  zstd: zstdCompressSync,
  deflate: deflateSync,
};

/** A frame of zstd that does not tell its length. */
const UNTOLD = zstdCompressSync(requestBytes('traces', 40), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } });

const compressed = (['gzip', 'zstd', 'deflate'] as const).map(
  (encoding): Target => ({
    name: `${encoding}`,
    seeds: [
      ...[Buffer.alloc(0), Buffer.from('x'), requestBytes('traces', 40), Buffer.alloc(100_000)].map(pack[encoding]),
      ...(encoding === 'deflate'
        ? []
        : [Buffer.concat(['one', 'and', 'another'].map((text) => pack[encoding](Buffer.from(text))))]),
      ...(encoding === 'zstd' ? [UNTOLD] : []),
    ],
    run(input) {
      const own: Buffer[] = [];
      const rooms = {
        take: (bytes: number) => own[own.push(Buffer.allocUnsafe(bytes)) - 1] as Buffer,
        give: (room: Buffer) => void own.splice(own.indexOf(room), 1),
      };
      const found = outcomeOf(() => inflate(encoding, input, LIMIT, rooms));
      const usual = outcomeOf(() => inflate(encoding, input, LIMIT));
      if (found.length > LIMIT) throw new Error(`${found.length} bytes where ${LIMIT} are allowed`);
      if (Buffer.compare(found, usual) !== 0) throw new Error('inflated into a room it is something else');
    },
  }),
);

/** What is inflated, or why it is not. */
function outcomeOf(attempt: () => Uint8Array): Uint8Array {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof PipelineError) return Buffer.from(`${error.code}: ${error.detail}`);
    throw error;
  }
}

export const telemetry: readonly Target[] = [...protobuf, ...redacted, ...json, ...compressed];
