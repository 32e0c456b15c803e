import { TelemetryBatch, type TelemetrySignal } from '../../pipeline/batch.ts';
import { Lease } from '../../pipeline/lease.ts';
import { redactionConfig } from '../../processors/redaction/config.ts';
import { Redactions } from '../../processors/redaction/redaction.ts';
import { requestType } from '../../proto/otlp/schema.ts';
import { encodeRequest } from '../load/encode.ts';
import { usualShape } from '../load/shape.ts';
import { outletsTo, quietContext } from '../transport/surroundings.ts';
import type { Case } from './cases.ts';

/** What people look for: card numbers, mail addresses, tokens, keys. */
const SECRETS = [
  '4[0-9]{12}(?:[0-9]{3})?',
  '5[1-5][0-9]{14}',
  '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}',
  'eyJ[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+',
  'AKIA[0-9A-Z]{16}',
];
const KEYS = ['(?i)password', '(?i)token', '(?i)secret', '(?i)authorization'];

/** Nothing of the usual telemetry is found by it. */
const NOTHING_FOUND = { allow_all_keys: true, blocked_values: SECRETS, blocked_key_patterns: KEYS };
/** An attribute of every item is masked: of spans and of points the method, of records the logger. */
const ONE_MASKED = {
  ...NOTHING_FOUND,
  blocked_key_patterns: [...KEYS, '^http\\.request\\.method$', '^logger', '^code\\.'],
};

const nobody = { consume: async () => {} };

function redacting(name: string, signal: TelemetrySignal, config: Record<string, unknown> | undefined): Case {
  return {
    name: `${name} ${signal}`,
    make: (items) => {
      const bytes = encodeRequest(usualShape(signal, items), 0, Date.now());
      const redactions =
        config === undefined
          ? nobody
          : new Redactions(redactionConfig.parse(config), outletsTo(nobody), quietContext('redaction'));
      return async () => {
        const lease = new Lease();
        await redactions.consume(TelemetryBatch.open(signal, bytes, lease));
        lease.letGo();
      };
    },
  };
}

/** What a redaction by objects costs: everything decoded, walked with JavaScript's own patterns, and encoded. */
function byObjects(signal: TelemetrySignal): Case {
  return {
    name: `scan, decode, redact and encode ${signal}`,
    make: (items) => {
      const bytes = encodeRequest(usualShape(signal, items), 0, Date.now());
      const type = requestType(signal);
      const values = new RegExp(SECRETS.join('|'), 'g');
      const keys = new RegExp(ONE_MASKED.blocked_key_patterns.map((key) => key.replace('(?i)', '')).join('|'), 'i');
      return () => {
        const lease = new Lease();
        TelemetryBatch.open(signal, bytes, lease);
        const message = type.decode(bytes);
        redactObject(message as unknown as Decoded, values, keys);
        TelemetryBatch.open(signal, type.encode(message).finish(), lease);
        lease.letGo();
      };
    },
  };
}

type Decoded = Record<string, unknown>;

function redactObject(message: Decoded, values: RegExp, keys: RegExp): void {
  for (const [name, value] of Object.entries(message)) {
    if (Array.isArray(value)) {
      for (const one of value) if (isDecoded(one)) redactObject(one, values, keys);
    } else if (name === 'stringValue') message[name] = String(value).replace(values, '****');
    else if (name === 'value' && typeof message['key'] === 'string' && keys.test(message['key'])) {
      message[name] = { stringValue: '****' };
    } else if (isDecoded(value)) redactObject(value, values, keys);
  }
}

function isDecoded(value: unknown): value is Decoded {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

export const redactionCases: readonly Case[] = (['traces', 'metrics', 'logs'] as const).flatMap((signal) => [
  redacting('scan and pass on', signal, undefined),
  redacting('scan and redact nothing of', signal, NOTHING_FOUND),
  redacting('scan, redact one of each and rescan', signal, ONE_MASKED),
  byObjects(signal),
]);
