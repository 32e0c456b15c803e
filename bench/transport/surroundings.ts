import { pino } from 'pino';
import { SystemClock } from '../../pipeline/clock.ts';
import type { Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { Roles } from '../../pipeline/roles.ts';
import { Router } from '../../pipeline/routes.ts';
import { MemoryStorage } from '../../pipeline/storage.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';

/** A context that logs nothing. */
export function quietContext(id: string): Context {
  return {
    id,
    logger: pino({ level: 'silent' }),
    meter: new Meter(METRICS),
    clock: new SystemClock(),
    random: Math.random,
    roles: new Roles(),
    storage: new MemoryStorage(),
    routes: new Router().of(id),
  };
}

/** Outlets whose every signal goes to one consumer. */
export function outletsTo(consumer: Consumer): Outlets {
  return { to: () => consumer, has: () => true };
}
