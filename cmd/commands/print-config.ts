import { printConfig } from '../../pipeline/config/redact.ts';
import type { Command } from '../command.ts';
import { CONFIG_OPTIONS, loadFrom } from '../config-options.ts';

export const command: Command = {
  name: 'print-config',
  summary: 'Print the effective configuration: merged, with defaults, without secrets.',
  usage: '--config SOURCE [options]',
  options: {
    ...CONFIG_OPTIONS,
    'no-defaults': { type: 'boolean', description: 'Only what the sources say, without defaults.' },
  },
  help: `
Sources are merged, variables expanded. Secrets print as [REDACTED].

Examples:
  windback print-config --config windback.yaml
  windback print-config --config base.yaml --config production.yaml --no-defaults
`,
  async run(args, io) {
    const loaded = await loadFrom(args, io, 'print-config');
    io.stdout.write(printConfig(loaded, { defaults: !args.flag('no-defaults') }));
    return 0;
  },
};
