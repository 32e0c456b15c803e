import { describe, expect, it } from 'vitest';
import { Watermark } from '../../../processors/verdict/watermark.ts';

const LATENESS_MS = 5000;
const MAX_HOLD_MS = 90_000;
const make = () => new Watermark(LATENESS_MS, MAX_HOLD_MS);

/** A source that reports the second just past, every `everySeconds`. */
function report(watermark: Watermark, key: string, from: number, to: number, everySeconds: number): void {
  for (let t = from; t <= to; t += everySeconds) watermark.report(key, t - 1, t * 1000);
}

describe('watermark', () => {
  it('follows the slowest source, less the lateness', () => {
    const watermark = make();
    report(watermark, 'a', 100, 200, 1);
    report(watermark, 'b', 100, 196, 1);
    expect(watermark.advance(200_000)).toBe(195 - 5);
  });

  it('lets go of a source that has fallen silent after 10 s, and not before', () => {
    const watermark = make();
    report(watermark, 'idle', 100, 150, 1);
    report(watermark, 'busy', 100, 200, 1);
    expect(watermark.advance(160_000)).toBe(149 - 5);
    expect(watermark.advance(161_000)).toBe(161 - 5);
  });

  it('waits for one that brings a minute at a time, from its first report on', () => {
    const watermark = make();
    const minute = (to: number) => {
      for (let slot = to - 60; slot < to; slot++) watermark.report('slow', slot, to * 1000);
    };
    minute(400);
    report(watermark, 'busy', 100, 460, 1);
    expect(watermark.advance(460_000)).toBe(399 - 5);
    minute(460);
    expect(watermark.advance(460_000)).toBe(459 - 5);
  });

  it('does not wait for one that seldom has anything to say, but says it at once', () => {
    const watermark = make();
    report(watermark, 'rare', 100, 400, 60);
    report(watermark, 'busy', 100, 420, 1);
    expect(watermark.advance(409_000)).toBe(399 - 5);
    expect(watermark.advance(420_000)).toBe(419 - 5);
  });

  it('is held back by max_hold at most, by a clock that is behind or news that are old', () => {
    const watermark = make();
    for (let t = 1000; t <= 1100; t++) {
      watermark.report('behind', t - 240, t * 1000);
      watermark.report('busy', t - 1, t * 1000);
    }
    expect(watermark.advance(1_100_000)).toBe(1100 - 90 - 5);
  });

  it('goes with the clock where nothing is heard at all', () => {
    expect(make().advance(1_000_000)).toBe(995);
  });

  it('never goes back, whatever the clock and the sources do', () => {
    const watermark = make();
    report(watermark, 'a', 100, 200, 1);
    const reached = watermark.advance(200_000);
    expect(watermark.advance(50_000)).toBe(reached);
    watermark.report('a', 20, 50_000);
    watermark.report('new', 20, 201_000);
    expect(watermark.advance(201_000)).toBe(reached);
    report(watermark, 'a', 201, 330, 1);
    expect(watermark.advance(330_000)).toBeGreaterThan(reached);
  });

  it('is not carried away by a source whose clock runs ahead', () => {
    const watermark = make();
    watermark.report('ahead', 1000, 100_000);
    expect(watermark.advance(100_000)).toBe(95);
  });

  it('forgets a source after a quarter of an hour', () => {
    const watermark = make();
    watermark.report('gone', 10, 10_000);
    watermark.advance(10_000 + 15 * 60_000 + 1);
    watermark.report('gone', 2000, 2_000_000);
    expect(watermark.advance(2_000_000)).toBe(1995);
  });
});
