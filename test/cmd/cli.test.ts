import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cmd/commands.ts';
import { windback } from './windback.ts';

describe('help', () => {
  it('of the program lists the commands, with examples', async () => {
    const { code, stdout, stderr } = await windback(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const { name, summary } of COMMANDS) expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`${name} ${summary}`);
    expect(stdout).toContain('Examples:');
    expect(await windback(['help'])).toMatchObject({ code: 0, stdout });
  });

  it.each(COMMANDS)('of $name has its options and examples, and its summary is the listed one', async (entry) => {
    const { command } = await entry.load();
    expect(command).toMatchObject({ name: entry.name, summary: entry.summary });
    const { code, stdout, stderr } = await windback([entry.name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: windback ${entry.name}`);
    expect(stdout).toContain('Examples:');
    for (const option of Object.keys(command.options)) expect(stdout).toContain(`--${option}`);
    expect(stdout).toContain(command.help.trimEnd());
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe('wrong usage', () => {
  it.each([
    [['rnu'], 'there is no command rnu; did you mean run?'],
    [['windback.yaml'], 'there is no command windback.yaml; did you mean --config windback.yaml?'],
    [['zzzzzz'], 'known commands: run, '],
    [['validate', '--confg', 'x'], 'there is no option --confg; did you mean --config?'],
    [['--config'], '--config needs a value: SOURCE'],
    [['validate', '--config', '--set'], '--config needs a value: SOURCE'],
    [['validate', 'x'], '"x" is not expected here'],
    [['components', '--json=1'], '--json takes no value'],
    [[], 'windback run --config examples/windback.yaml'],
    [['validate'], 'windback validate --config examples/windback.yaml'],
  ])('%j ends with 2 and says what to do', async (args, message) => {
    const { code, stdout, stderr } = await windback(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr.split('\n')).toHaveLength(2);
  });
});

it('prints the version', async () => {
  expect(await windback(['--version'])).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^windback \d+\.\d+\.\d+\n$/),
    stderr: '',
  });
});

it('lists components for people and for programs', async () => {
  expect((await windback(['components'])).stdout).toContain('health');
  const listed = JSON.parse((await windback(['components', '--json'])).stdout) as { type: string; config: unknown }[];
  expect(listed.find(({ type }) => type === 'health')?.config).toMatchObject({ additionalProperties: false });
});

it('colours messages only where it is wanted', async () => {
  const escape = '\u001b[';
  expect((await windback(['rnu'])).stderr).not.toContain(escape);
  expect((await windback(['rnu'], { FORCE_COLOR: '1' })).stderr).toContain(escape);
  expect((await windback(['rnu'], { NO_COLOR: '1' })).stderr).not.toContain(escape);
});
