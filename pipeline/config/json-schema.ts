/** One JSON Schema of the whole configuration, for editors. */
import { z } from 'zod';
import type { ComponentTable } from '../component.ts';
import { EXTENSIONS, SIGNALS, rootConfig } from './schema.ts';

export type JsonSchema = { [key: string]: unknown };

const EXPANSION = { $ref: '#/$defs/expansion' };

/** What a pattern cannot tell a person. */
const SCALARS: Readonly<Record<string, JsonSchema>> = {
  duration: { examples: ['500ms', '10s', '5m', '1h'] },
  size: { examples: ['512KiB', '64MiB', '1GiB'] },
  endpoint: { examples: ['localhost:4317', ':4317'] },
};

interface Described {
  readonly type: string;
  readonly summary?: string;
  readonly config: z.ZodType;
}

/** JSON Schema draft 2020-12. A component's id is a pattern: `otlp` and `otlp/anything` take the same options. */
export function jsonSchema(table: ComponentTable): JsonSchema {
  const root = convert(rootConfig);
  const properties = root.properties as Record<string, JsonSchema>;
  const extensions = Object.entries(EXTENSIONS).map(([type, { config }]) => ({ type, config }));
  const sections = { ...table, connectors: table.processors, extensions };
  const processorsDefined = components(table.processors);
  for (const [section, factories] of Object.entries(sections)) {
    const { description } = properties[section] as { description?: string };
    const patternProperties =
      section === 'connectors'
        ? Object.fromEntries(Object.keys(processorsDefined).map((id) => [id, sameProcessor(id)]))
        : section === 'processors'
          ? processorsDefined
          : components(factories as readonly Described[]);
    properties[section] = { description, type: ['object', 'null'], patternProperties, additionalProperties: false };
  }
  constrainPipelines(properties.service as JsonSchema);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Windback configuration',
    ...root,
    $defs: {
      expansion: {
        description: 'A value from the environment: ${env:NAME} or ${env:NAME:-default}.',
        type: 'string',
        pattern: '\\$\\{env:[^}]+\\}',
      },
    },
  };
}

function components(factories: readonly Described[]): Record<string, JsonSchema> {
  return Object.fromEntries(
    factories.map(({ type, summary, config }) => {
      const schema = convert(config);
      return [`^${type}(/.+)?$`, summary === undefined ? schema : { ...schema, description: summary }];
    }),
  );
}

/** Connectors are processors by another name, so their schemas are not repeated. */
function sameProcessor(pattern: string): JsonSchema {
  const pointer = pattern.replaceAll('~', '~0').replaceAll('/', '~1');
  return { $ref: `#/properties/processors/patternProperties/${encodeURIComponent(pointer)}` };
}

function constrainPipelines(service: JsonSchema): void {
  const pipelines = (service.properties as Record<string, JsonSchema>).pipelines as JsonSchema;
  pipelines.patternProperties = { [`^(${SIGNALS.join('|')})(/.+)?$`]: pipelines.additionalProperties };
  pipelines.additionalProperties = false;
  delete pipelines.propertyNames;
}

function convert(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...converted } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return forYaml(converted as JsonSchema);
}

/** What YAML and the loader allow beyond the schema: expansions in place of values, `key:` in place of `key: {}`. */
function forYaml(schema: JsonSchema): JsonSchema {
  const { scalar, secret, ...rest } = schema;
  const result: JsonSchema = { ...rest, ...SCALARS[String(scalar)], ...(secret === true ? { writeOnly: true } : {}) };
  for (const key of ['properties', 'patternProperties']) {
    if (isSchema(result[key])) result[key] = mapValues(result[key], forYaml);
  }
  for (const key of ['additionalProperties', 'items']) if (isSchema(result[key])) result[key] = forYaml(result[key]);
  for (const key of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) {
    if (Array.isArray(result[key])) result[key] = (result[key] as JsonSchema[]).map(forYaml);
  }
  // Zod's `int` has the bounds of safe integers, which only distract.
  if (result.maximum === Number.MAX_SAFE_INTEGER) delete result.maximum;
  if (result.minimum === Number.MIN_SAFE_INTEGER) delete result.minimum;
  if (result.type === 'object') result.type = ['object', 'null'];
  return mayExpand(result) ? withExpansion(result) : result;
}

/** Whether an expansion would be flagged: plain text takes it anyway, and a fixed word tells alternatives apart. */
function mayExpand({ type, pattern, format, enum: words }: JsonSchema): boolean {
  if (type === 'number' || type === 'integer' || type === 'boolean' || type === 'array') return true;
  return type === 'string' && (pattern !== undefined || format !== undefined || words !== undefined);
}

function withExpansion({ description, default: fallback, ...rest }: JsonSchema): JsonSchema {
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, EXPANSION],
  };
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mapValues(values: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, isSchema(value) ? change(value) : value]),
  );
}
