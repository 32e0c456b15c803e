import type { TelemetrySignal } from '../../pipeline/batch.ts';
import { type Encoding, inflate } from '../../pipeline/compression.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import { GRPC } from '../../pipeline/grpc-codes.ts';
import type { RpcStatus } from '../../proto/google/status.ts';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { BYTES, Reader, WireError } from '../../proto/wire/reader.ts';
import type { Body } from './body.ts';
import { Budget } from './budget.ts';
import { frame } from './grpc-answer.ts';
import type { GrpcMethod } from './grpc-call.ts';

export const HEALTH_CHECK_METHOD = '/grpc.health.v1.Health/Check';

/** HealthCheckResponse: status = 1 enum, SERVING = 1. */
const SERVING = frame(Buffer.from([1 << 3, 1]));
/** No service's name is longer: a limit before anything is read, and again when it is inflated. */
const REQUEST_BYTES_MAX = 4096;
/** What probes may hold together. One that asks for the whole server has no bytes, and passes where others hold it all. */
const ALL_BYTES_MAX = 256 * 1024;

/**
 * What the requests of probes are taken from. Nobody is asked who they are, so it is apart from `max_in_flight`: whoever is
 * let in by nothing must not take what is for those that are.
 */
export class ProbeBudget extends Budget {
  constructor() {
    super(ALL_BYTES_MAX);
  }

  override get name(): string {
    return 'all health checks';
  }

  /** The budget of one, whose limit is that of a request: what is longer is refused by its prefix, before it is held. */
  forOne(): Budget {
    return new Budget(REQUEST_BYTES_MAX, undefined, {
      all: this,
      name: 'a health check',
      refusal: () => new PipelineError('memory_limit', 'a health check'),
      charge: () => {},
    });
  }
}

/** grpc.health.v1.Health/Check: whoever can ask is served, for the whole server and for each signal that is taken. */
export function healthCheck(serves: (signal: TelemetrySignal) => boolean): GrpcMethod {
  const signals = new Map(
    Object.entries(EXPORT_METHODS).map(([signal, method]) => [
      method.slice(1, method.lastIndexOf('/')),
      signal as TelemetrySignal,
    ]),
  );
  // Asked each time: a reload may change which are taken.
  const isServed = (service: string): boolean => {
    const signal = signals.get(service);
    return signal === undefined ? service === '' : serves(signal);
  };
  return {
    async serve(body: Body, encoding: Encoding): Promise<Buffer | RpcStatus> {
      try {
        const service = readService(inflate(encoding, body.bytes(), REQUEST_BYTES_MAX));
        if (isServed(service)) return SERVING;
        return { code: GRPC.not_found, message: `unknown service ${JSON.stringify(service.slice(0, 100))}` };
      } catch (error) {
        throw error instanceof WireError ? new PipelineError('malformed', error.message) : asPipelineError(error);
      } finally {
        body.release();
      }
    },
    refused(): void {
      // Not telemetry: the counters of refusals are about what somebody wanted to deliver.
    },
  };
}

/** HealthCheckRequest: service = 1 string. */
function readService(bytes: Uint8Array): string {
  const reader = new Reader(bytes);
  let service = '';
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== ((1 << 3) | BYTES)) {
      reader.skip(tag & 7);
      continue;
    }
    const length = reader.length();
    service = Buffer.from(bytes.subarray(reader.pos, reader.pos + length)).toString('utf8');
    reader.pos += length;
  }
  return service;
}
