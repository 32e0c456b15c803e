/** A configuration as a tree in which every value and every key knows where it was written. */
import type { Position } from './report.ts';

export type Located = LocatedMap | LocatedList | LocatedScalar;

/** What `${env:…}` left behind on the value it became. */
export interface Expansion {
  /** As written, `${env:PORT}`: what messages show in place of a value that may be secret. */
  readonly raw: string;
  /** The text it became, before it was typed as YAML: what a key that wants text gets. */
  readonly text: string;
}

/** What an expansion names, without defaults, which may be secrets: `${env:TOKEN}`. */
export function namesOf({ raw }: Expansion): string {
  return [...raw.matchAll(/\$\{((?:env:\w+|file:[^}]+))/g)].map(([, name]) => `\${${name}}`).join(' and ');
}

/** A text as a message may show it: by the name of the variable it came from, which may hold something else than meant. */
export function shownText({ value, expansion }: LocatedScalar): string {
  return expansion === undefined ? String(value) : `of ${namesOf(expansion)}`;
}

interface Placed {
  readonly at: Position;
  readonly expansion?: Expansion;
}

export interface Entry {
  readonly keyAt: Position;
  readonly value: Located;
}

export interface LocatedMap extends Placed {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface LocatedList extends Placed {
  readonly kind: 'list';
  readonly items: readonly Located[];
}

export interface LocatedScalar extends Placed {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** A problem was already reported here, and what follows from it need not be. */
  readonly broken?: true;
}

export type Path = readonly (string | number)[];

/** A place in the tree, whether or not there is a value. */
export interface Found {
  /** Undefined where the path leads past what was written. */
  readonly node: Located | undefined;
  /** Of the value; where there is none, of the nearest key that leads towards it. */
  readonly at: Position;
  /** Of the key the value stands under; of an item of a list, of the item. */
  readonly keyAt: Position;
}

/** Follows `path` from `root`, which stands under a key at `keyAt`. */
export function find(root: Located, path: Path, keyAt: Position = root.at): Found {
  let node: Located = root;
  let key = keyAt;
  for (const step of path) {
    const entry: Entry | undefined = stepInto(node, step);
    if (entry === undefined) return { node: undefined, at: key, keyAt: key };
    ({ value: node, keyAt: key } = entry);
  }
  return { node, at: node.at, keyAt: key };
}

function stepInto(node: Located, step: string | number): Entry | undefined {
  if (node.kind === 'map') return node.entries.get(String(step));
  if (node.kind !== 'list') return undefined;
  const item = node.items[Number(step)];
  return item && { keyAt: item.at, value: item };
}

/** Maps merge key by key; lists and scalars, an explicit null too, replace what was there. */
export function merge(base: Located, over: Located): Located {
  if (base.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const existing = entries.get(key);
    entries.set(key, existing ? { keyAt: entry.keyAt, value: merge(existing.value, entry.value) } : entry);
  }
  return { kind: 'map', at: base.at, entries };
}

/** The values alone. */
export function plain(node: Located): unknown {
  if (node.kind === 'map') {
    // fromEntries defines own properties, so a key such as __proto__ does no harm.
    return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, plain(value)]));
  }
  return node.kind === 'list' ? node.items.map(plain) : node.value;
}

/** `exporters.kafka.brokers[0]`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}
