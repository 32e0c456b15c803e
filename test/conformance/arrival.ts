/** Whether a request was not only taken, but understood: where there is a sink, it shows what became of it. */
import { want } from './clause.ts';
import type { Sink } from './sink.ts';
import { readRequest, type Signal } from './wire/messages.ts';
import { markOf } from './wire/telemetry.ts';

/** Rejects where what arrives does not say the same as `meant`, in protobuf. Without a sink there is nothing to see. */
export async function wantArrived(sink: Sink | undefined, signal: Signal, meant: Uint8Array): Promise<void> {
  if (sink === undefined) return;
  const wanted = readRequest(signal, meant);
  const came = await sink.arrival(markOf(wanted) as string);
  want(came !== undefined, 'the request, forwarded', 'nothing arrives where it is forwarded to');
  const [path, wantedThere, cameThere] = difference(wanted, came, '') ?? [];
  want(path === undefined, `${path} ${wantedThere}, forwarded`, () => `${path} ${cameThere}`);
}

type Difference = readonly [path: string, wanted: string, came: string];

/** The first place where two values are not the same. */
function difference(wanted: unknown, came: unknown, path: string): Difference | undefined {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (!isObject(wanted) || !isObject(came)) {
    return Object.is(wanted, came) ? undefined : [path, textOf(wanted), textOf(came)];
  }
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(came)])) {
    const found = difference(wanted[key], came[key], path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function textOf(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 200);
}
