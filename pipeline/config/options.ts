/** The options of a component as rows of a table, read from its schema. */
import type { z } from 'zod';
import { type Kind, elementOf, fieldsOf, kindsOf, shapeOf, wordsOf } from './shape.ts';

export interface Option {
  /** `protocols.grpc.endpoint`; `rules[].name` in a list, `headers.<key>` in a map with free keys. */
  readonly path: string;
  /** `text`, `duration`, `one of a, b` … */
  readonly type: string;
  /** As YAML on one line; `required` if there is none and there must be one, else empty. */
  readonly fallback: string;
  readonly description: string;
}

const KIND_NAMES: Readonly<Record<Kind, string>> = {
  text: 'text',
  number: 'number',
  boolean: 'true or false',
  null: 'null',
  map: 'map',
  list: 'list',
  any: 'anything',
};

/** Every key that a user may write, maps before what is in them. */
export function optionsOf(schema: z.ZodType): Option[] {
  const rows = new Map<string, Option>();
  for (const row of fieldOptions(schema, '')) {
    const known = rows.get(row.path);
    rows.set(row.path, known === undefined ? row : either(known, row));
  }
  return [...rows.values()];
}

/** One row for a key that several alternatives have. */
function either(a: Option, b: Option): Option {
  return {
    path: a.path,
    type: a.type === b.type ? a.type : `${a.type} or ${b.type}`,
    fallback: a.fallback === b.fallback ? a.fallback : '',
    description: a.description === '' ? b.description : a.description,
  };
}

function fieldOptions(schema: z.ZodType, prefix: string): Option[] {
  return shapeOf(schema).options.flatMap((option) =>
    Object.entries(fieldsOf(option) ?? {}).flatMap(([key, field]) => optionRows(field, `${prefix}${key}`)),
  );
}

function optionRows(schema: z.ZodType, path: string): Option[] {
  const { fallback, required, description = '' } = shapeOf(schema);
  const row = { path, type: typeName(schema), fallback: fallbackText(fallback, required), description };
  const element = elementOf(schema);
  const below =
    element === undefined ? [] : fieldOptions(element.schema, `${path}${element.kind === 'list' ? '[]' : '.<key>'}.`);
  return [row, ...fieldOptions(schema, `${path}.`), ...below];
}

function typeName(schema: z.ZodType): string {
  const { scalar, secret } = shapeOf(schema);
  const words = wordsOf(schema);
  if (words.length > 0)
    return words.length === 1 ? `\`${words[0]}\`` : `one of ${words.map((word) => `\`${word}\``).join(', ')}`;
  const element = elementOf(schema);
  const names = [...kindsOf(schema)].map((kind) => {
    if (kind === 'text') return scalar ?? (secret ? 'secret text' : 'text');
    if (kind === element?.kind) return `${kind} of ${plural(typeName(element.schema))}`;
    return KIND_NAMES[kind];
  });
  return names.join(' or ');
}

function plural(name: string): string {
  return /^(text|secret text|anything|true|one of|`)/.test(name) || name.includes(' of ') ? name : `${name}s`;
}

function fallbackText(fallback: unknown, required: boolean): string {
  if (fallback === undefined) return required ? 'required' : '';
  // An empty map stands for the defaults of its keys, which have rows of their own.
  if (typeof fallback === 'object' && fallback !== null && Object.keys(fallback).length === 0) {
    return Array.isArray(fallback) ? '`[]`' : '';
  }
  return `\`${typeof fallback === 'string' && fallback !== '' ? fallback : JSON.stringify(fallback)}\``;
}
