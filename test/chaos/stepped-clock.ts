/**
 * Loaded into Windback before its own code (`node --import`): its wall clock is off by the milliseconds in the file
 * that CHAOS_CLOCK names. This covers Date in every thread, from which Windback takes all its time; not timers and
 * performance.now, which no step of a wall clock moves either, and not the time stamps of files.
 */
import { readFileSync } from 'node:fs';

const LOOK_MS = 50;

const file = process.env['CHAOS_CLOCK'];
const RealDate = Date;
const realNow = Date.now.bind(Date);
let offsetMs = 0;

function look(): void {
  try {
    offsetMs = Number(readFileSync(file as string, 'utf8')) || 0;
  } catch {
    offsetMs = 0;
  }
}

if (file !== undefined) {
  look();
  setInterval(look, LOOK_MS).unref();
  const now = (): number => realNow() + offsetMs;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: [], made) => Reflect.construct(target, args.length === 0 ? [now()] : args, made),
    apply: () => new RealDate(now()).toString(),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  });
}
