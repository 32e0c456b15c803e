/** Compresses or inflates what it is sent, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { Recoder } from '../../pipeline/recoder.ts';
import type { Kind } from './ways.ts';

/** `roomBytes`: no outcome is as large. */
const { kind, roomBytes } = workerData as { readonly kind: Kind; readonly roomBytes: number };
const recoder = new Recoder(kind);
const room = Buffer.allocUnsafeSlow(roomBytes);

parentPort?.on('message', (body: Uint8Array) => {
  const length = recoder.into(room, body);
  if (length === undefined) throw new Error(`${kind} failed`);
  const outcome = Uint8Array.prototype.slice.call(room, 0, length);
  parentPort?.postMessage(outcome, [outcome.buffer]);
});
