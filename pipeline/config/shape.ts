/**
 * What a zod schema says about the YAML in front of it: which kinds of values it takes, its keys, defaults and
 * descriptions. Everything generated from schemas, and everything that explains an error, reads them through here.
 */
import type { z } from 'zod';
import type { Path } from './located.ts';

/** The kinds of YAML values; `any` for a schema that takes everything. */
export type Kind = 'text' | 'number' | 'boolean' | 'null' | 'map' | 'list' | 'any';

export interface Shape {
  /** Without wrappers such as optional and default; more than one for a union. */
  readonly options: readonly z.ZodType[];
  /** In the form a user would write, undefined if there is none. */
  readonly fallback: unknown;
  readonly required: boolean;
  readonly secret: boolean;
  /** `duration`, `size`, `endpoint`: a text with a grammar of its own. */
  readonly scalar: string | undefined;
  readonly description: string | undefined;
}

/** The part of a schema's definition that is read here; zod types it per class, which a walk over all cannot use. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly getter?: () => z.ZodType;
  readonly defaultValue?: unknown;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly valueType?: z.ZodType;
  readonly catchall?: z.ZodType;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, string | number>>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  string: 'text',
  template_literal: 'text',
  number: 'number',
  int: 'number',
  bigint: 'number',
  boolean: 'boolean',
  null: 'null',
  object: 'map',
  record: 'map',
  map: 'map',
  array: 'list',
  tuple: 'list',
  set: 'list',
};

/** Looks through wrappers and transforms at what a user may write. */
export function shapeOf(schema: z.ZodType): Shape {
  const definition = definitionOf(schema);
  const meta = schema.meta();
  const inner = innerOf(definition);
  const below = inner === undefined ? undefined : shapeOf(inner);
  const isWrapper = definition.type === 'default' || definition.type === 'prefault';
  return {
    options: below?.options ?? (definition.type === 'union' ? unionOptions(definition) : [schema]),
    fallback: isWrapper ? definition.defaultValue : below?.fallback,
    required: !isWrapper && definition.type !== 'optional' && (below?.required ?? !optionalByNature(definition)),
    secret: meta?.secret === true || (below?.secret ?? false),
    scalar: (meta?.scalar as string | undefined) ?? below?.scalar,
    description: meta?.description ?? below?.description,
  };
}

/** The kinds of values that `schema` takes. */
export function kindsOf(schema: z.ZodType): ReadonlySet<Kind> {
  return new Set(shapeOf(schema).options.flatMap(optionKinds));
}

/** The keys and their schemas, if `schema` (or the option of it that fits `value`) is a map with fixed keys. */
export function fieldsOf(schema: z.ZodType, value?: unknown): Readonly<Record<string, z.ZodType>> | undefined {
  return definitionOf(optionFor(schema, value)).shape;
}

/** The schema of what stands under `key` of `value`, or undefined if there can be nothing. */
export function childOf(schema: z.ZodType, key: string | number, value?: unknown): z.ZodType | undefined {
  const definition = definitionOf(optionFor(schema, value));
  if (definition.shape !== undefined && Object.hasOwn(definition.shape, key)) return definition.shape[key];
  if (definition.items !== undefined) return definition.items[Number(key)];
  return definition.element ?? definition.valueType ?? definition.catchall;
}

/** The schema at `path` below `schema`, as far as `value` decides between alternatives. */
export function schemaAt(schema: z.ZodType, path: Path, value?: unknown): z.ZodType | undefined {
  let current: z.ZodType | undefined = schema;
  let node: unknown = value;
  for (const key of path) {
    if (current === undefined) return undefined;
    current = childOf(current, key, node);
    node = isObject(node) ? (node as Record<string | number, unknown>)[key] : undefined;
  }
  return current;
}

/** The words that tell the alternatives of `schema` apart at `key`, empty if it is no union told apart by words. */
export function discriminatorsOf(schema: z.ZodType, key: string): readonly string[] {
  const fields = shapeOf(schema).options.map((option) => definitionOf(option).shape?.[key]);
  return fields.length < 2 ? [] : fields.flatMap((field) => (field === undefined ? [] : wordsOf(field)));
}

/** The fixed words that `schema` takes, empty if it takes others too. */
export function wordsOf(schema: z.ZodType): readonly string[] {
  const words = shapeOf(schema).options.map((option) => {
    const { type, values, entries } = definitionOf(option);
    if (type === 'enum') return Object.values(entries ?? {}).map(String);
    return type === 'literal' ? (values ?? []).map(String) : [];
  });
  return words.some((list) => list.length === 0) ? [] : words.flat();
}

/** The schema of each item or value, if `schema` is a list or a map with free keys. */
export function elementOf(schema: z.ZodType): { kind: 'list' | 'map'; schema: z.ZodType } | undefined {
  for (const option of shapeOf(schema).options) {
    const { element, valueType } = definitionOf(option);
    if (element !== undefined) return { kind: 'list', schema: element };
    if (valueType !== undefined) return { kind: 'map', schema: valueType };
  }
  return undefined;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** The alternative of a union that `value` was most likely written for; without a union, the schema itself. */
function optionFor(schema: z.ZodType, value: unknown): z.ZodType {
  const { options } = shapeOf(schema);
  const [first = schema] = options;
  if (options.length < 2 || !isObject(value))
    return options.find((option) => optionKinds(option)[0] === 'map') ?? first;
  const kind: Kind = Array.isArray(value) ? 'list' : 'map';
  const fitting = options.filter((option) => optionKinds(option).includes(kind));
  const score = (option: z.ZodType): number => {
    const fields = Object.entries(definitionOf(option).shape ?? {});
    return fields.filter(([key, field]) => Object.hasOwn(value, key) && isWordOf(field, Reflect.get(value, key)))
      .length;
  };
  return fitting.reduce((best, option) => (score(option) > score(best) ? option : best), fitting[0] ?? first);
}

/** False only where the schema is a fixed word (as the discriminator of a union is) and `value` is another. */
function isWordOf(schema: z.ZodType, value: unknown): boolean {
  const words = wordsOf(schema);
  return words.length === 0 || words.includes(String(value));
}

function optionKinds(option: z.ZodType): Kind[] {
  const { type, values } = definitionOf(option);
  if (type === 'enum') return ['text'];
  if (type === 'literal')
    return (values ?? []).map((value) => (typeof value === 'string' ? 'text' : (KINDS[typeof value] ?? 'any')));
  return [KINDS[type] ?? 'any'];
}

function innerOf(definition: Definition): z.ZodType | undefined {
  if (definition.innerType !== undefined) return definition.innerType;
  if (definition.type === 'lazy') return definition.getter?.();
  if (definition.in === undefined) return undefined;
  // z.preprocess is a pipe that begins with a transform: what it takes is told by what it leads to.
  return definitionOf(definition.in).type === 'transform' ? definition.out : definition.in;
}

function unionOptions(definition: Definition): readonly z.ZodType[] {
  return (definition.options ?? []).flatMap((option) => shapeOf(option).options);
}

function optionalByNature({ type }: Definition): boolean {
  return type === 'any' || type === 'unknown';
}

function definitionOf(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition;
}
