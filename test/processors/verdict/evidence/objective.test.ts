import { describe, expect, it } from 'vitest';
import { ObjectiveBets } from '../../../../processors/verdict/evidence/objective.ts';
import { simulate } from '../../../support/evidence.ts';
import { Random } from '../../../support/random.ts';

describe('bets that the rate is within the objective', () => {
  it('grow while nothing goes wrong, by as much as the events say', () => {
    const bets = new ObjectiveBets(0.01);
    bets.play(0, 300);
    const gains = [0.02, 0.2, 0.5].map((part) => ((1 - part * 0.01) / 0.99) ** 300);
    expect(Math.exp(bets.logE)).toBeCloseTo((gains[0]! + gains[1]! + gains[2]!) / 3, 9);
  });

  it('are fair where the rate is the budget, and lose where it is above', () => {
    for (const rate of [0.02, 0.03]) {
      const found = simulate(
        new Random(6),
        { runs: 4000, blocks: 100, alpha: 0.05 },
        () => new ObjectiveBets(0.02),
        (bets, random) => bets.play(random.binomial(10, rate), 10),
      );
      expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
      expect(found.fired).toBeLessThanOrEqual(found.firedMost);
    }
  });

  it('do not depend on how the events are grouped', () => {
    const [once, often] = [new ObjectiveBets(0.02), new ObjectiveBets(0.02)];
    once.play(3, 100);
    for (let i = 0; i < 100; i++) often.play(i % 40 === 0 ? 1 : 0, 1);
    expect(often.logE).toBeCloseTo(once.logE, 9);
  });

  it('stay a number whatever the objective is and whatever goes wrong', () => {
    for (const objective of [0, 0.5, 0.999999]) {
      const bets = new ObjectiveBets(1 - objective);
      bets.play(5, 5);
      bets.play(0, 5);
      expect(bets.logE).not.toBeNaN();
      const again = new ObjectiveBets(1 - objective);
      again.restore(JSON.parse(JSON.stringify(bets.save())));
      expect(again.logE).toBe(bets.logE);
    }
  });
});
