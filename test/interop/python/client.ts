import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TelemetrySignal } from '../../../pipeline/batch.ts';
import { foreignEnv } from '../tool.ts';
import type { Transport } from '../signals.ts';
import type { Client } from '../visit.ts';

const SCRIPT = join(import.meta.dirname, 'send.py');
const OUTPUT_BYTES_MAX = 256 * 1024 ** 2;

/** The OpenTelemetry SDK of Python with its exporters of this protocol. */
export function pythonClient(python: string, transport: Transport, compression: 'none' | 'gzip' | 'deflate'): Client {
  return async (port) => {
    const args = [SCRIPT, '--protocol', transport, '--compression', compression, '--port', String(port)];
    const options = { env: foreignEnv(), maxBuffer: OUTPUT_BYTES_MAX };
    const { stdout } = await promisify(execFile)(python, args, options);
    const requests = { traces: [], metrics: [], logs: [] } as Record<TelemetrySignal, unknown[]>;
    for (const line of stdout.trimEnd().split('\n')) {
      const { signal, request } = JSON.parse(line) as { signal: TelemetrySignal; request: unknown };
      requests[signal].push(request);
    }
    return requests;
  };
}
