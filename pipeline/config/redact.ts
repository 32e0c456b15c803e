/** The configuration as one may show it: with defaults, without secrets. */
import { stringify } from 'yaml';
import type { z } from 'zod';
import { redactUrl } from './check.ts';
import type { Configured, LoadedConfig } from './loaded.ts';
import { EXTENSIONS, ID, rootConfig, serviceConfig } from './schema.ts';
import { childOf, fieldsOf, isObject, kindsOf, shapeOf } from './shape.ts';

export const REDACTED = '[REDACTED]';

export interface PrintOptions {
  /** Whether defaults are filled in. Without them it shows what the sources say. */
  readonly defaults: boolean;
}

/** The effective configuration as YAML. Secrets, and passwords in URLs, are replaced by `[REDACTED]`. */
export function printConfig(loaded: LoadedConfig, options: PrintOptions): string {
  return stringify(effectiveConfig(loaded, options), { aliasDuplicateObjects: false });
}

/** The same as plain values. Units are text, as a user writes them. */
export function effectiveConfig(loaded: LoadedConfig, options: PrintOptions): unknown {
  const tree = loaded.tree as Readonly<Record<string, unknown>>;
  const result = Object.entries(tree).map(([section, value]) => {
    const schemas = sectionSchemas(section, loaded);
    if (schemas === undefined) return [section, effective(serviceConfig, value, options)] as const;
    const components = Object.entries((value ?? {}) as object).map(
      ([id, config]: [string, unknown]) => [id, effective(schemas(id) ?? rootConfig, config, options)] as const,
    );
    return [section, Object.fromEntries(components)] as const;
  });
  return Object.fromEntries(result);
}

/** How to find the schema of an id in `section`; undefined for `service`, which holds no components. */
function sectionSchemas(section: string, loaded: LoadedConfig): ((id: string) => z.ZodType | undefined) | undefined {
  const of = (configured: ReadonlyMap<string, Configured<{ readonly config: z.ZodType }>>) => (id: string) =>
    configured.get(id)?.factory.config;
  switch (section) {
    case 'receivers':
      return of(loaded.receivers);
    case 'processors':
    case 'connectors':
      return of(loaded.processors);
    case 'exporters':
      return of(loaded.exporters);
    case 'extensions':
      return (id) => EXTENSIONS[ID.exec(id)?.groups?.type ?? '']?.config;
    default:
      return undefined;
  }
}

/** `value` as a user could have written it for `schema`. */
export function effective(schema: z.ZodType, value: unknown, options: PrintOptions): unknown {
  const shape = shapeOf(schema);
  const written = value === undefined && options.defaults ? shape.fallback : value;
  if (written === undefined) return undefined;
  if (shape.secret) return REDACTED;
  if (written === null && kindsOf(schema).has('map')) return effective(schema, {}, options);
  if (typeof written === 'string') return redactUrl(written);
  if (Array.isArray(written)) {
    return written.map((item: unknown, i) => effectiveChild(schema, i, item, written, options));
  }
  if (!isObject(written)) return written;
  const given = written as Readonly<Record<string, unknown>>;
  const keys = new Set([...Object.keys(fieldsOf(schema, written) ?? {}), ...Object.keys(given)]);
  const entries = [...keys].map((key) => [key, effectiveChild(schema, key, given[key], written, options)] as const);
  return Object.fromEntries(entries.filter(([, child]) => child !== undefined));
}

function effectiveChild(
  schema: z.ZodType,
  key: string | number,
  value: unknown,
  parent: object,
  options: PrintOptions,
): unknown {
  const child = childOf(schema, key, parent);
  return child === undefined ? value : effective(child, value, options);
}
