import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { contents, flag, number, oneOf, readOptions, saved, someOf, text, texts, whole } from '../../bench/script.ts';

const OPTIONS = {
  minutes: number(60),
  rounds: whole(),
  run: whole(undefined, 0),
  faults: someOf(['kill', 'disk_full']),
  level: oneOf(['MUST', 'SHOULD'], 'SHOULD'),
  case: texts,
  json: text(),
  write: flag,
};

describe('the options of a script', () => {
  it('are what they are where nothing is given', () => {
    expect(readOptions([], OPTIONS)).toEqual({
      minutes: 60,
      rounds: undefined,
      run: undefined,
      faults: ['kill', 'disk_full'],
      level: 'SHOULD',
      case: [],
      json: undefined,
      write: false,
    });
  });

  it('are read', () => {
    const line = '--minutes 0.5 --rounds=7 --run 0 --faults disk_full --level MUST --case a --case b --json f --write';
    expect(readOptions(line.split(' '), OPTIONS)).toEqual({
      minutes: 0.5,
      rounds: 7,
      run: 0,
      faults: ['disk_full'],
      level: 'MUST',
      case: ['a', 'b'],
      json: 'f',
      write: true,
    });
  });

  it.each([
    ['--minuts 5', 'there is no option --minuts; did you mean --minutes?'],
    ['--minutes', '--minutes needs a value'],
    ['--minutes=', '--minutes wants a number above 0, not ""'],
    ['--minutes 0', '--minutes wants a number above 0, not "0"'],
    ['--minutes Infinity', '--minutes wants a number above 0, not "Infinity"'],
    ['--rounds 1.5', '--rounds wants a whole number of 1 or more, not "1.5"'],
    ['--run -1', '--run needs a value'],
    ['--run=-1', '--run wants a whole number of 0 or more, not "-1"'],
    ['--faults kill,disk', '--faults wants kill, disk_full, not "disk"; did you mean disk_full?'],
    ['--level MAY', '--level wants MUST, SHOULD, not "MAY"'],
    ['--write=yes', '--write takes no value'],
    ['--json a --json b', '--json is given twice'],
    ['more', '"more" is not expected here'],
  ])('are refused: %s', (line, why) => {
    const read = (): unknown => readOptions(line.split(' '), OPTIONS);
    expect(read).toThrow(expect.objectContaining({ code: 'usage', detail: expect.stringContaining(why) }));
  });
});

describe('the file of an option', () => {
  const folder = mkdtempSync(join(tmpdir(), 'windback-script-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const FILES = { replay: contents(), from: saved<{ runs: number[] }>('runs') };

  it('is read', () => {
    const path = fileOf('{"runs":[1,2]}');
    expect(readOptions(['--replay', path, '--from', path], FILES)).toEqual({
      replay: Buffer.from('{"runs":[1,2]}'),
      from: { runs: [1, 2] },
    });
  });

  it.each(['--replay', '--from'])('is asked for where it is not there: %s', (option) => {
    const path = join(folder, 'none');
    expect(() => readOptions([option, path], FILES)).toThrow(
      expect.objectContaining({ code: 'usage', detail: expect.stringMatching(`^${option} wants .*ENOENT.*${path}`) }),
    );
  });

  it.each(['', '{"runs":[1', '{}', '[]', 'null', '{"runs":{}}'])('is not taken for what a run wrote: %s', (json) => {
    const path = fileOf(json);
    expect(() => readOptions(['--from', path], FILES)).toThrow(
      expect.objectContaining({
        code: 'usage',
        detail: `--from wants what --json wrote: there is no list "runs" in ${path}`,
      }),
    );
  });

  function fileOf(text: string): string {
    const path = join(folder, 'file');
    writeFileSync(path, text);
    return path;
  }
});

/** Every script of package.json that reads options. */
const SCRIPTS = {
  'bench:changerca': 'bench/changerca/bench.ts',
  'bench:ingest': 'bench/ingest/bench.ts',
  'bench:judge': 'bench/judge/bench.ts',
  'bench:micro': 'bench/micro/bench.ts',
  'bench:overload': 'bench/overload/bench.ts',
  'bench:peers': 'bench/peers/bench.ts',
  'bench:soak': 'bench/soak/bench.ts',
  'bench:transport': 'bench/transport/bench.ts',
  'bench:verdict': 'bench/verdict/bench.ts',
  'bench:workers': 'bench/workers/bench.ts',
  chaos: 'test/chaos/main.ts',
  conformance: 'test/conformance/main.ts',
  fuzz: 'test/fuzz/main.ts',
  profile: 'bench/profile/bench.ts',
};

describe.each(Object.entries(SCRIPTS))('npm run %s', (name, path) => {
  it('shows its options', async () => {
    const { code, stdout, stderr } = await run(path, '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`usage: npm run ${name} -- [options]`);
    expect(stdout).toMatch(/^examples?:/im);
  });

  it('does nothing where the line cannot be meant', async () => {
    const { code, stdout, stderr } = await run(path, '--nonsense');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(`${name}: there is no option --nonsense\nnpm run ${name} -- --help shows the options\n`);
  });
});

function run(path: string, option: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = join(import.meta.dirname, '../..', path);
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, option], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}
