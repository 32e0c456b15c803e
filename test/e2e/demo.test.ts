/** The demo as a new user runs it: the real program, the real shop, no terminal. It takes about a minute. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DecisionEvent, structuredEvent } from '../../proto/windback/decision.ts';
import { askLedger, assertBalanced } from '../support/ledger.ts';
import { start, windback } from '../cmd/windback.ts';

const CONFIG = join(import.meta.dirname, '../../examples/demo.yaml');

/** The demo's own temporary folder, so that what it leaves there can be seen. */
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'windback-e2e-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the demo', () => {
  it('rolls the bad version back, leaves the good one alone, and explains itself', { timeout: 150_000 }, async () => {
    const { code, stdout, stderr } = await windback(['demo', '--keep'], { TMPDIR: folder });
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stderr: '' });
    expect(stdout).toMatch(/ROLLBACK checkout 1\.4\.2/);
    expect(stdout).not.toMatch(/ROLLBACK catalog/);
    expect(stdout).toMatch(/Why checkout 1\.4\.2 was rolled back\n {2}1\.4\.2 (fails|logs errors) /);
    expect(stdout).toMatch(/(No decision about|No rollback of) catalog 2\.1\.0/);
    expect(stdout).not.toContain('\u001b');

    const [kept = ''] = readdirSync(folder);
    const decided = readFileSync(join(folder, kept, 'decisions.jsonl'), 'utf8');
    const events = decided
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as DecisionEvent);
    const rollbacks = events.filter(({ data }) => data.decision === 'rollback');
    expect(rollbacks.map(({ subject, data }) => [subject, data.candidate.version])).toEqual([
      ['shop/checkout/demo', '1.4.2'],
    ]);
    expect(Object.keys(rollbacks[0] ?? {})).toEqual(Object.keys(structuredEvent(rollbacks[0] as DecisionEvent)));
    expect(rollbacks[0]?.data.exemplars[0]).toMatch(/^[0-9a-f]{32}$/);

    // What was recorded is judged again as it was judged live, to the byte.
    const recording = join(folder, kept, 'telemetry.jsonl');
    expect((await windback(['replay', '--config', CONFIG, recording])).stdout).toBe(decided);
  });

  it('ends on Ctrl-C and leaves nothing behind', async () => {
    const before = readdirSync(folder).length;
    const demo = start(['demo'], { TMPDIR: folder });
    let stdout = '';
    demo.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const closed = new Promise<number | null>((resolve) => demo.once('close', resolve));
    while (!stdout.includes('The shop is open')) await sleep(50);
    const metrics = /http:\S+\/metrics/.exec(stdout)?.[0] as string;
    expect((await fetch(metrics)).status).toBe(200);
    assertBalanced(await askLedger(Number(new URL(metrics).port)));
    demo.kill('SIGINT');
    expect(await closed).toBe(1);
    await expect(fetch(metrics)).rejects.toThrow('fetch failed');
    expect(readdirSync(folder)).toHaveLength(before);
  });
});
