import { jsonSchema } from '../../pipeline/config/json-schema.ts';
import type { Command } from '../command.ts';
import { loadComponents } from '../components.ts';

export const command: Command = {
  name: 'schema',
  summary: 'Print the JSON Schema of configurations, for editors.',
  usage: '',
  options: {},
  help: `
JSON Schema draft 2020-12, the same as docs/schema.json. Editors with the YAML language server
complete and check a file that begins with
  # yaml-language-server: $schema=windback.schema.json

Examples:
  windback schema > windback.schema.json
`,
  async run(_args, io) {
    io.stdout.write(`${JSON.stringify(jsonSchema(await loadComponents()), null, 2)}\n`);
    return 0;
  },
};
