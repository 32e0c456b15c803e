import { describe, expect, it } from 'vitest';
import { SilenceBets } from '../../../../processors/verdict/evidence/silence.ts';
import { simulate } from '../../../support/evidence.ts';
import { Random } from '../../../support/random.ts';

const SIZE = { runs: 4000, blocks: 60, alpha: 0.01 };

describe('missing requests', () => {
  const simulated = (draw: (random: Random) => readonly [weight: number, candidate: number, total: number]) =>
    simulate(
      new Random(5),
      SIZE,
      () => new SilenceBets(0.3),
      (bets, random) => bets.play(...draw(random)),
    );

  it('are no evidence where the candidate gets just the share allowed, by turns all and nothing', () => {
    const found = simulated((random) => [0.1, random.chance(0.3) ? 10 : 0, 100]);
    expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });

  it('are no evidence where traffic is thin and the share a full one', () => {
    const found = simulated((random) => {
      const [candidate, rest] = [random.poisson(0.2), random.poisson(1.8)];
      return [0.1, candidate, candidate + rest];
    });
    expect(found.mean).toBeLessThan(1);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });

  it('are fair in every single block at the share allowed', () => {
    const factors = (got: number) => {
      const bets = new SilenceBets(0.3);
      const dealt = bets.save().logs;
      bets.play(0.1, got, 100);
      return bets.save().logs.map((log, i) => Math.exp(log - (dealt[i] as number)));
    };
    const [all, nothing] = [factors(10), factors(0)];
    all.forEach((factor, i) => expect(0.3 * factor + 0.7 * (nothing[i] as number)).toBeCloseTo(1, 12));
    for (const factor of factors(3)) expect(factor).toBeCloseTo(1, 12);
  });

  it('count when none comes, and only when at least one request was due', () => {
    const bets = new SilenceBets(0.3);
    for (let at = 0; at < 10; at++) bets.play(0.05, 0, 4);
    expect([bets.blocks, bets.expected, bets.missing]).toEqual([2, 2, 2]);
    for (let at = 0; at < 30; at++) bets.play(0.5, 0, 100);
    expect(bets.logE).toBeGreaterThan(Math.log(4000));
    expect(bets.isCrashLoop).toBe(false);
  });

  it('of one block count no more than once, however much traffic there is', () => {
    const much = new SilenceBets(0.3);
    const little = new SilenceBets(0.3);
    much.play(0.5, 0, 1_000_000);
    little.play(0.5, 0, 2);
    expect(much.logE).toBe(little.logE);
  });
});

describe('crashes', () => {
  it('are fair at the part of young deaths that a sound version may have', () => {
    const after = (hasDied: boolean) => {
      const bets = new SilenceBets(0.3);
      bets.playBirth(hasDied);
      return Math.exp(bets.logE);
    };
    expect(0.2 * after(true) + 0.8 * after(false)).toBeCloseTo(1, 12);
  });

  it('are a loop when instance after instance dies young, and none when one in five does', () => {
    const loop = new SilenceBets(0.3);
    for (let birth = 0; birth < 8; birth++) loop.playBirth(true);
    expect(loop.logE).toBeGreaterThan(Math.log(4000));
    expect([loop.isCrashLoop, loop.births, loop.deaths]).toEqual([true, 8, 8]);
    const sound = new SilenceBets(0.3);
    for (let birth = 0; birth < 100; birth++) sound.playBirth(birth % 5 === 0);
    expect(sound.logE).toBeLessThan(Math.log(20));
  });

  it('and missing requests are one e-value together: the mean of both', () => {
    const bets = new SilenceBets(0.3);
    for (let birth = 0; birth < 3; birth++) bets.playBirth(true);
    for (let at = 0; at < 3; at++) bets.play(0.5, 0, 10);
    const crashes = new SilenceBets(0.3);
    for (let birth = 0; birth < 3; birth++) crashes.playBirth(true);
    const missing = new SilenceBets(0.3);
    for (let at = 0; at < 3; at++) missing.play(0.5, 0, 10);
    // Each alone is the mean of itself and of a capital of 1.
    expect(Math.exp(bets.logE)).toBeCloseTo(Math.exp(crashes.logE) + Math.exp(missing.logE) - 1, 9);
  });
});

it('goes on as before from what it saved', () => {
  const bets = new SilenceBets(0.3);
  const play = (one: SilenceBets) => {
    one.play(0.3, 0, 3);
    one.play(0.3, 1, 2);
    one.playBirth(true);
  };
  play(bets);
  const again = new SilenceBets(0.3);
  again.restore(JSON.parse(JSON.stringify(bets.save())));
  for (const one of [bets, again]) play(one);
  expect(again.save()).toEqual(bets.save());
  expect(again.logE).toBe(bets.logE);
});
