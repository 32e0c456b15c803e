/** The comparison as bars: items per CPU-second, with the least and the most of the rounds. */
import { picture, rect, text } from '../pictures/svg.ts';
import { titleOf } from './cases.ts';
import { type CaseResult, measuredOf, ratesOf, type Result } from './result.ts';
import { spreadOf } from './statistics.ts';
import type { SystemName } from './system.ts';
import { TABLES, type TableName } from './tables.ts';

const BARS: readonly { system: SystemName; title: string; look: string }[] = [
  { system: 'windback', title: 'Windback', look: 'blue-fill' },
  { system: 'collector', title: 'OpenTelemetry Collector', look: 'gold-fill' },
  { system: 'rotel', title: 'rotel', look: 'red-fill' },
];
const TITLES: Record<TableName, string> = {
  pass: 'Forwarding spans',
  tag: 'Tagging spans by version, and forwarding them',
  judge: 'Tagging spans by version, and counting them by version and operation',
  signals: 'Metrics and logs',
};

const WIDTH = 860;
const LEFT = 250;
const RIGHT = 90;
const TOP = 70;
const BAR = 13;
const GAP = 14;

/** Undefined where none of its cases were measured. */
export function plotOf({ cases }: Result, name: TableName): string | undefined {
  const shown = cases.filter((result) => TABLES[name](result) && result.pinned.length > 0);
  if (shown.length === 0) return undefined;
  const most = Math.max(...shown.flatMap(({ pinned }) => pinned.map(({ system }) => mostOf(shown, system))));
  const scale = (WIDTH - LEFT - RIGHT) / most;
  const parts = [text(20, 24, `${TITLES[name]}: million items per CPU-second`, '', 'start', ' font-weight="600"')];
  BARS.forEach(({ title, look }, i) => {
    const left = 20 + i * 190;
    parts.push(rect({ left, top: 36, width: 12, height: 12 }, look), text(left + 18, 46, title, 'soft'));
  });
  let top = TOP;
  for (const result of shown) {
    const bars = BARS.filter(({ system }) => measuredOf(result, system) !== undefined);
    parts.push(text(LEFT - 10, top + (bars.length * BAR) / 2 + 4, labelOf(result, name), '', 'end'));
    for (const { system, look } of bars) {
      parts.push(...barOf(ratesOf(result, system), top, scale, look));
      top += BAR;
    }
    top += GAP;
  }
  return picture(WIDTH, top + 6, `${TITLES[name]}: items per CPU-second of each system`, parts);
}

function barOf(rates: readonly number[], top: number, scale: number, look: string): string[] {
  const { median, min, max } = spreadOf(rates);
  const middle = top + BAR / 2 - 0.5;
  return [
    rect({ left: LEFT, top, width: median * scale, height: BAR - 2 }, look),
    rect({ left: LEFT + min * scale, top: middle - 1, width: Math.max(1, (max - min) * scale), height: 2 }, 'pale'),
    text(LEFT + max * scale + 6, top + BAR - 3, (median / 1e6).toFixed(2), 'soft'),
  ];
}

function mostOf(results: readonly CaseResult[], system: SystemName): number {
  return Math.max(0, ...results.flatMap((result) => ratesOf(result, system)));
}

function labelOf({ one }: CaseResult, name: TableName): string {
  return name === 'signals' && one.work === 'tag' ? `${titleOf(one)}, tagged` : titleOf(one);
}
