import { describe, expect, it } from 'vitest';
import { RiskInterval } from '../../../../processors/verdict/evidence/interval.ts';
import { block } from '../../../support/evidence.ts';
import { Random } from '../../../support/random.ts';

describe('the interval', () => {
  it('closes in on the true risk, and is open where nothing limits it', () => {
    const random = new Random(3);
    const interval = new RiskInterval();
    for (let at = 0; at < 400; at++) interval.play(block([1000, random.poisson(40), 1000, random.poisson(10)]));
    const [lower, upper] = interval.bounds;
    expect(lower).toBeGreaterThan(2.5);
    expect(lower).toBeLessThanOrEqual(4);
    expect(upper).toBeGreaterThanOrEqual(4);
    expect(upper).toBeLessThan(6.8);
  });

  it('begins with everything possible', () => {
    expect(new RiskInterval().bounds).toEqual([0, null]);
  });

  it('has no upper end while only the candidate fails, and no lower one while only the baseline does', () => {
    const worse = new RiskInterval();
    for (let at = 0; at < 100; at++) worse.play(block([100, 10, 100, 0]));
    const [lower, upper] = worse.bounds;
    expect(lower).toBeGreaterThan(10);
    expect(upper).toBeNull();
    const better = new RiskInterval();
    for (let at = 0; at < 100; at++) better.play(block([100, 0, 100, 10]));
    expect(better.bounds[0]).toBe(0);
    expect(better.bounds[1]).toBeLessThan(0.2);
  });

  it('learns nothing where nothing went wrong, and goes on as before from what it saved', () => {
    const interval = new RiskInterval();
    interval.play(block([100, 0, 100, 0]));
    interval.play(block());
    expect(interval.bounds).toEqual([0, null]);
    for (let at = 0; at < 30; at++) interval.play(block([100, 9, 300, 3]));
    const again = new RiskInterval();
    again.restore(JSON.parse(JSON.stringify(interval.save())));
    expect(again.bounds).toEqual(interval.bounds);
    for (const one of [interval, again]) one.play(block([100, 9, 300, 3]));
    expect(again.save()).toEqual(interval.save());
  });
});
