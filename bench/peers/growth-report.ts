/** The growth of the cost as a table and as curves. */
import { type Axis, panel, picture, text } from '../pictures/svg.ts';
import type { Case } from './cases.ts';
import { DIMENSIONS, type Dimension, type GrowthPoint } from './growth.ts';
import { spreadOf } from './statistics.ts';
import { table } from './tables.ts';

const TITLES: Record<Dimension, string> = {
  connections: 'connections',
  batch: 'spans a request',
  attributes: 'attributes a span',
  operations: 'operations',
  cohorts: 'cohorts: versions of services',
  load: 'load, percent of saturation',
};
const LOOKS: readonly { work: Case['work']; title: string; look: string }[] = [
  { work: 'judge', title: 'tag and judge', look: 'blue' },
  { work: 'tag', title: 'tag and forward', look: 'gold' },
];

const PANEL = { width: 330, height: 150 };
const STEP = { x: 440, y: 240 };
const MARGIN = { left: 80, top: 80 };

export function growthTable(points: readonly GrowthPoint[]): string {
  const rows = DIMENSIONS.flatMap((dimension) => {
    const values = [...new Set(points.filter((point) => point.dimension === dimension).map(({ value }) => value))];
    return values.map((value, i) => {
      const cells = LOOKS.flatMap(({ work }) => cellsOf(find(points, dimension, value, work)));
      const bytes = points.find((point) => point.dimension === dimension && point.value === value)?.bytesPerItem ?? 0;
      return [i === 0 ? TITLES[dimension] : '', String(value), bytes.toFixed(0), ...cells];
    });
  });
  const head = LOOKS.flatMap(({ title }) => [`${title}: CPU ns a span`, 'answer p50, p99, ms', 'peak RSS, MiB']);
  return table(['what grows', 'to', 'bytes a span', ...head], rows);
}

function cellsOf(point: GrowthPoint | undefined): string[] {
  if (point === undefined) return ['', '', ''];
  const { median, min, max } = spreadOf(point.nsPerItem);
  return [
    `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`,
    `${point.p50.toFixed(1)}, ${point.p99.toFixed(1)}`,
    (point.peakRssBytes / 1024 ** 2).toFixed(0),
  ];
}

/** One panel for each thing that grows, all on the same scale. */
export function growthPlot(points: readonly GrowthPoint[]): string {
  const shown = DIMENSIONS.filter((dimension) => points.some((point) => point.dimension === dimension));
  const medians = points.map(({ nsPerItem }) => spreadOf(nsPerItem).median);
  const y = costAxis(Math.min(...medians), Math.max(...medians));
  const parts = [text(20, 24, 'CPU time a span, while one thing grows', '', 'start', ' font-weight="600"')];
  LOOKS.forEach(({ title, look }, i) => parts.push(text(20 + i * 140, 46, `● ${title}`, `${look}-fill`)));
  shown.forEach((dimension, i) => {
    const frame = {
      left: MARGIN.left + (i % 2) * STEP.x,
      top: MARGIN.top + Math.floor(i / 2) * STEP.y,
      ...PANEL,
    };
    parts.push(...curves(frame, dimension, points, y));
  });
  const rows = Math.ceil(shown.length / 2);
  return picture(MARGIN.left + STEP.x * 2 - 60, MARGIN.top + rows * STEP.y - 20, 'CPU time a span against load', parts);
}

function curves(
  frame: Parameters<typeof panel>[0],
  dimension: Dimension,
  points: readonly GrowthPoint[],
  y: Axis,
): string[] {
  const own = points.filter((point) => point.dimension === dimension);
  const values = [...new Set(own.map(({ value }) => value))].toSorted((a, b) => a - b);
  const x: Axis = {
    label: TITLES[dimension],
    from: values[0] as number,
    to: values.at(-1) as number,
    isLog: dimension !== 'load',
    ticks: values.map((value) => [value, String(value)] as const),
  };
  const drawn = panel(frame, '', x, y);
  const lines = LOOKS.flatMap(({ work, look }) => {
    const line = values.flatMap((value) => {
      const point = find(points, dimension, value, work);
      return point === undefined ? [] : [[value, spreadOf(point.nsPerItem).median] as const];
    });
    if (line.length === 0) return [];
    return [drawn.line(line, look), ...line.map((at) => drawn.dot(at, `${look}-fill`))];
  });
  return [drawn.axes, ...lines];
}

/** Powers of ten and what lies between, around the figures. */
function costAxis(least: number, most: number): Axis {
  const marks = [1, 2, 3, 4, 5, 6, 7].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const from = marks.findLast((mark) => mark <= least) ?? 10;
  const to = marks.find((mark) => mark >= most && mark > from) ?? most;
  const ticks = marks.filter((mark) => mark >= from && mark <= to).map((mark) => [mark, String(mark)] as const);
  return { label: 'ns', from, to, isLog: true, ticks };
}

function find(
  points: readonly GrowthPoint[],
  dimension: Dimension,
  value: number,
  work: Case['work'],
): GrowthPoint | undefined {
  return points.find((point) => point.dimension === dimension && point.value === value && point.work === work);
}
