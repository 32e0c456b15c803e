import type { InstanceBlock } from '../block.ts';
import { cellNames } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import { NOTHING, readAlike, type Reading, some, type View } from './reader.ts';

/** Failed requests of requests, by operation. */
export function readErrors(view: View): Readings {
  return readAlike(view, (group) => group.cells(view.requests));
}

/** ERROR records, of requests where both versions serve any, else of records: verbosity is no failure. */
export function readLogErrors(view: View): Readings {
  const exposure = exposureOf(view);
  return readAlike(view, (group) => one(exposure(group), group.total('log').bad));
}

/** What counts as an occasion on which something could be logged. */
export function exposureOf({ candidate, baseline, requests }: View): (group: InstanceBlock) => number {
  const serves = (group: InstanceBlock) => group.total(requests).all > 0;
  const kind = some(candidate, serves) && some(baseline, serves) ? requests : 'log';
  return (group) => group.total(kind).all;
}

/** Items for which the user's condition held, of items selected, by operation. */
export function readCustom(view: View, indicator: string): Readings {
  const hasAny = (group: InstanceBlock) => group.cells('custom').size > 0;
  if (!some(view.candidate, hasAny) && !some(view.baseline, hasAny)) return NOTHING;
  return readAlike(view, (group) => {
    const readings = new Map<string, Reading>();
    for (const [key, cell] of group.cells('custom')) {
      const [operation, name] = cellNames(key);
      if (name === indicator) readings.set(operation, cell);
    }
    return readings;
  });
}

/** A single stratum. */
export function one(all: number, bad: number): ReadonlyMap<string, Reading> {
  return all === 0 ? NONE : new Map([['', { all, bad }]]);
}

const NONE: ReadonlyMap<string, Reading> = new Map();
