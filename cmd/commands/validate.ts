import type { LoadedConfig } from '../../pipeline/config/loaded.ts';
import type { Command } from '../command.ts';
import { CONFIG_OPTIONS, loadFrom } from '../config-options.ts';

export const command: Command = {
  name: 'validate',
  summary: 'Check a configuration and report every problem with its place.',
  usage: '--config SOURCE [options]',
  options: CONFIG_OPTIONS,
  help: `
Nothing is started and no address is bound. The files of certificates, keys, tokens and users that
the configuration names are not looked at: run and reload do that. Problems go to stderr, one a
line, as file:line:column: path: what; what to do. Exit codes: 0 valid, 78 not valid.

Examples:
  windback validate --config windback.yaml
  windback validate --config base.yaml --config production.yaml --set exporters.kafka.topic=test
`,
  async run(args, io) {
    const loaded = await loadFrom(args, io, 'validate');
    io.stdout.write(`valid: ${summary(loaded)}\n`);
    return 0;
  },
};

function summary({ receivers, processors, exporters, pipelines }: LoadedConfig): string {
  const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
  return [
    count(receivers.size, 'receiver'),
    count(processors.size, 'processor'),
    count(exporters.size, 'exporter'),
    count(pipelines.length, 'pipeline'),
  ].join(', ');
}
