import type { ComponentTable } from '../../pipeline/component.ts';
import { jsonSchema } from '../../pipeline/config/json-schema.ts';
import type { Command } from '../command.ts';
import { loadComponents } from '../components.ts';

interface Row {
  readonly kind: 'receiver' | 'processor' | 'exporter';
  readonly type: string;
  readonly stability: string;
  readonly accepts: readonly string[];
  readonly emits: readonly string[];
  readonly summary: string;
}

export const command: Command = {
  name: 'components',
  summary: 'List the components that a configuration can use.',
  usage: '[options]',
  options: { json: { type: 'boolean', description: 'As JSON, with the JSON Schema of each configuration.' } },
  help: `
Examples:
  windback components
  windback components --json | jq -r '.[].type'
`,
  async run(args, io) {
    const components = await loadComponents();
    io.stdout.write(args.flag('json') ? asJson(components) : asText(rows(components)));
    return 0;
  },
};

function rows({ receivers, processors, exporters }: ComponentTable): Row[] {
  const about = ({ type, stability, summary }: Pick<Row, 'type' | 'stability' | 'summary'>) => ({
    type,
    stability,
    summary,
  });
  return [
    ...receivers.map((factory) => ({
      kind: 'receiver' as const,
      ...about(factory),
      accepts: [],
      emits: factory.emits,
    })),
    ...processors.map((factory) => {
      return { kind: 'processor' as const, ...about(factory), accepts: factory.accepts, emits: factory.emits };
    }),
    ...exporters.map((factory) => ({
      kind: 'exporter' as const,
      ...about(factory),
      accepts: factory.accepts,
      emits: [],
    })),
  ];
}

function asText(all: readonly Row[]): string {
  const width = Math.max(...all.map(({ type }) => type.length)) + 2;
  const section = (kind: Row['kind']): string => {
    const lines = all.filter((row) => row.kind === kind).map((row) => line(row, width));
    return `${kind}s:\n${lines.join('\n')}\n`;
  };
  return [section('receiver'), section('processor'), section('exporter')].join('\n');
}

function line({ type, stability, accepts, emits, summary }: Row, width: number): string {
  const flow = [accepts.join(' '), emits.join(' ')].filter((signals) => signals !== '').join(' -> ');
  return `  ${type.padEnd(width)}${summary}\n  ${''.padEnd(width)}${stability}; ${flow}`;
}

function asJson(components: ComponentTable): string {
  const { properties } = jsonSchema(components) as {
    properties: Record<string, { patternProperties: Record<string, unknown> }>;
  };
  const described = rows(components).map((row) => {
    return { ...row, config: properties[`${row.kind}s`]?.patternProperties[`^${row.type}(/.+)?$`] };
  });
  return `${JSON.stringify(described, null, 2)}\n`;
}
