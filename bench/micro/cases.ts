import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { TelemetryBatch, type TelemetrySignal } from '../../pipeline/batch.ts';
import { bodies } from '../../pipeline/buffer-pool.ts';
import { Lease } from '../../pipeline/lease.ts';
import { deploymentConfig } from '../../processors/deployment/config.ts';
import { DeploymentTagger } from '../../processors/deployment/deployment.ts';
import { healthConfig } from '../../processors/health/config.ts';
import { HealthFolder } from '../../processors/health/health.ts';
import { scan } from '../../proto/otlp/scan.ts';
import { convertJson } from '../../proto/otlp/json-lane.ts';
import { jsonToProtobuf } from '../../proto/otlp/json.ts';
import { decodeToJson } from '../../proto/otlp/json-decode.ts';
import { requestType } from '../../proto/otlp/schema.ts';
import { encodeRequest } from '../load/encode.ts';
import { usualShape } from '../load/shape.ts';
import { judging, passing } from './ledger.ts';
import { outletsTo, quietContext } from '../transport/surroundings.ts';
import { redactionCases } from './redaction.ts';

/** One part of the path. `make` prepares it, for requests of so many items, and gives what is measured. */
export interface Case {
  readonly name: string;
  readonly make: (items: number) => () => unknown;
}

const SIGNALS = ['traces', 'metrics', 'logs'] as const;
const nobody = { consume: async () => {} };

function requestOf(signal: TelemetrySignal, items: number): Uint8Array {
  return encodeRequest(usualShape(signal, items), 0, Date.now());
}

function tagger(config: Record<string, unknown> = {}): DeploymentTagger {
  return new DeploymentTagger(deploymentConfig.parse(config), outletsTo(nobody), quietContext('deployment'));
}

/** Opens a request as the receiver does, hands it on, and gives its memory back. */
function opened(signal: TelemetrySignal, bytes: Uint8Array, use: (batch: TelemetryBatch) => unknown): () => unknown {
  return async () => {
    const lease = new Lease();
    await use(TelemetryBatch.open(signal, bytes, lease));
    lease.letGo();
  };
}

function scanning(signal: TelemetrySignal): Case[] {
  return [
    {
      name: `scan ${signal}`,
      make: (items) => {
        const bytes = requestOf(signal, items);
        return () => {
          const lease = new Lease();
          scan(signal, bytes, lease);
          lease.letGo();
        };
      },
    },
    {
      name: `scan ${signal}, columns copied`,
      make: (items) => {
        const bytes = requestOf(signal, items);
        return () => scan(signal, bytes);
      },
    },
    {
      name: `scan ${signal}, attributes of items left out`,
      make: (items) => {
        const bytes = requestOf(signal, items);
        return () => {
          const lease = new Lease();
          scan(signal, bytes, lease, false);
          lease.letGo();
        };
      },
    },
    {
      name: `decode ${signal} with protobufjs`,
      make: (items) => {
        const bytes = requestOf(signal, items);
        return () => requestType(signal).decode(bytes);
      },
    },
  ];
}

function processing(signal: TelemetrySignal): Case[] {
  const tagged = (name: string, target: string): Case => ({
    name: `${name} ${signal}`,
    make: (items) => {
      const tags = tagger({ target });
      return opened(signal, requestOf(signal, items), async (batch) => {
        await tags.consume(batch);
        batch.encoded();
      });
    },
  });
  return [
    tagged('scan, tag and splice resources of', 'resource'),
    tagged('scan, tag and splice every item of', 'item'),
    {
      name: `scan, tag and fold ${signal}`,
      make: (items) => {
        const folder = new HealthFolder(
          healthConfig.parse({ drop_duplicates: false }),
          outletsTo(nobody),
          quietContext('health'),
        );
        const tags = new DeploymentTagger(deploymentConfig.parse({}), outletsTo(folder), quietContext('deployment'));
        return opened(signal, requestOf(signal, items), (batch) => tags.consume(batch));
      },
    },
  ];
}

/** A request as OTLP/JSON. */
function jsonOf(signal: TelemetrySignal, items: number): Buffer {
  return Buffer.from(JSON.stringify(decodeToJson(signal, requestOf(signal, items))));
}

const json: Case[] = SIGNALS.flatMap((signal) => [
  {
    name: `JSON ${signal} to protobuf`,
    make: (items) => {
      const text = jsonOf(signal, items);
      return () => {
        const converted = convertJson(signal, text, bodies);
        if (converted === undefined) throw new Error(`the ${signal} are not plain`);
        bodies.give(converted.room);
      };
    },
  },
  {
    name: `JSON ${signal} to protobuf by way of objects`,
    make: (items) => {
      const text = jsonOf(signal, items);
      return () => jsonToProtobuf(signal, text);
    },
  },
]);

const GZIP_LEVELS = [1, 2, 4, 6];
const ZSTD_LEVELS = [1, 3];
const compression: Case[] = [
  ...GZIP_LEVELS.map((level) => ({
    name: `gzip traces, level ${level}`,
    make: (items: number) => {
      const bytes = requestOf('traces', items);
      return () => gzipSync(bytes, { level });
    },
  })),
  {
    name: 'gunzip traces',
    make: (items) => {
      const packed = gzipSync(requestOf('traces', items));
      return () => gunzipSync(packed);
    },
  },
  ...ZSTD_LEVELS.map((level) => ({
    name: `zstd traces, level ${level}`,
    make: (items: number) => {
      const bytes = requestOf('traces', items);
      return () => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });
    },
  })),
  {
    name: 'unzstd traces',
    make: (items) => {
      const packed = zstdCompressSync(requestOf('traces', items));
      return () => zstdDecompressSync(packed);
    },
  },
];

const memory: Case[] = [
  {
    name: 'copy traces into memory from the pool',
    make: (items) => {
      const bytes = requestOf('traces', items);
      return () => {
        const buffer = bodies.take(bytes.length);
        buffer.set(bytes);
        bodies.give(buffer);
      };
    },
  },
  {
    name: 'copy traces into new memory',
    make: (items) => {
      const bytes = requestOf('traces', items);
      return () => Buffer.allocUnsafeSlow(bytes.length).set(bytes);
    },
  },
];

const ledger: Case[] = [false, true].flatMap((hasBooks) => {
  const how = hasBooks ? 'with' : 'without';
  return [
    {
      name: `pass spans through 3 processors ${how} books`,
      make: (items: number) => passing(requestOf('traces', items), hasBooks),
    },
    {
      name: `scan, tag and fold spans ${how} books`,
      make: (items: number) => judging(requestOf('traces', items), hasBooks),
    },
  ];
});

export const CASES: readonly Case[] = [
  ...memory,
  ...SIGNALS.flatMap(scanning),
  ...SIGNALS.flatMap(processing),
  ...redactionCases,
  ...json,
  ...compression,
  ...ledger,
];
