import type { CommandEntry } from './command.ts';

/** Every command, in the order of the help. Their files are loaded when they are needed, so that `--help` is quick. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'run',
    summary: 'Run the pipelines of a configuration until a signal stops them.',
    load: () => import('./commands/run.ts'),
    stays: true,
  },
  {
    name: 'replay',
    summary: 'Judge recorded telemetry on event time, as fast as the machine can.',
    load: () => import('./commands/replay.ts'),
  },
  {
    name: 'explain',
    summary: 'Tell all that a decision rests on, on one page.',
    load: () => import('./commands/explain.ts'),
  },
  {
    name: 'rollouts',
    summary: 'List the rollouts that a running Windback judges now.',
    load: () => import('./commands/rollouts.ts'),
  },
  {
    name: 'override',
    summary: 'Tell a running Windback what you know better: pin, ignore or approve a version.',
    load: () => import('./commands/override.ts'),
  },
  {
    name: 'reload',
    summary: 'Have a running Windback read its configuration again, without dropping a connection.',
    load: () => import('./commands/reload.ts'),
  },
  {
    name: 'demo',
    summary: 'Watch a bad version being caught: a real shop, a real Windback, about a minute.',
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'validate',
    summary: 'Check a configuration and report every problem with its place.',
    load: () => import('./commands/validate.ts'),
  },
  {
    name: 'components',
    summary: 'List the components that a configuration can use.',
    load: () => import('./commands/components.ts'),
  },
  {
    name: 'print-config',
    summary: 'Print the effective configuration: merged, with defaults, without secrets.',
    load: () => import('./commands/print-config.ts'),
  },
  {
    name: 'schema',
    summary: 'Print the JSON Schema of configurations, for editors.',
    load: () => import('./commands/schema.ts'),
  },
];
