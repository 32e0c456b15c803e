import type { Count } from './traffic.ts';
import { grouped, type Paint, percent, seconds } from './style.ts';

/** What a version is in the play. */
export type Part = '' | 'to come' | 'baseline' | 'candidate' | 'on hold' | 'rolled back';

/** One version of one service. */
export interface Row {
  readonly service: string;
  readonly version: string;
  readonly instances: number;
  part: Part;
  /** 0 to 100 over the last minute; undefined while Windback has none. */
  score: number | undefined;
  count: Readonly<Count>;
}

const BAR_WIDTH = 20;
const HEADER = `  ${'service'.padEnd(10)}${'version'.padEnd(9)}${'part'.padEnd(13)}${'instances'.padStart(9)}  ${'health, last minute'.padEnd(7 + BAR_WIDTH)}${'requests'.padStart(9)}${'failed'.padStart(9)}`;

/** The table of all versions, a line each below the header. */
export function table(rows: readonly Row[], paint: Paint): string[] {
  return [paint('dim', HEADER), ...rows.map((row, i) => line(row, rows[i - 1]?.service !== row.service, paint))];
}

function line(row: Row, isFirst: boolean, paint: Paint): string {
  const { service, version, part, instances, score, count } = row;
  const colour = colourOf(part);
  return [
    '  ',
    (isFirst ? service : '').padEnd(10),
    version.padEnd(9),
    colour === undefined ? part.padEnd(13) : paint(colour, part.padEnd(13)),
    String(instances).padStart(9),
    '  ',
    health(score, paint),
    grouped(count.requests).padStart(9),
    percent(count.failed, count.requests).padStart(9),
  ].join('');
}

function colourOf(part: Part) {
  if (part === 'rolled back') return 'red';
  if (part === 'on hold') return 'yellow';
  if (part === 'to come') return 'dim';
  return part === 'candidate' ? 'cyan' : undefined;
}

/** The score and a bar of it. */
function health(score: number | undefined, paint: Paint): string {
  if (score === undefined) return '-'.padStart(5).padEnd(7 + BAR_WIDTH);
  const filled = Math.round((score / 100) * BAR_WIDTH);
  const colour = score >= 90 ? 'green' : score >= 50 ? 'yellow' : 'red';
  const bar = paint(colour, '━'.repeat(filled)) + paint('dim', '─'.repeat(BAR_WIDTH - filled));
  return `${score.toFixed(1).padStart(5)}  ${bar}`;
}

/** Where a terminal cannot redraw, a line now and then: the columns of `statusLine`. */
export function statusHeader(rows: readonly Row[], paint: Paint): string[] {
  const first = rows.map(({ service }) => service.padStart(STATUS_WIDTH)).join('');
  const second = rows.map(({ version }) => version.padStart(STATUS_WIDTH)).join('');
  return [paint('dim', `${' '.repeat(TIME_WIDTH)}${first}`), paint('dim', `${'time'.padStart(TIME_WIDTH)}${second}`)];
}

/** Health and share of failed requests of each version: `98.7   0.3 %`. */
export function statusLine(elapsedMs: number, rows: readonly Row[], paint: Paint): string {
  const cells = rows.map(({ score, count, part }) => {
    if (count.requests === 0) return '-'.padStart(STATUS_WIDTH);
    const cell = `${score?.toFixed(1) ?? '-'}${percent(count.failed, count.requests).padStart(8)}`.padStart(
      STATUS_WIDTH,
    );
    const colour = colourOf(part);
    return colour === undefined ? cell : paint(colour, cell);
  });
  return `${seconds(elapsedMs).padStart(TIME_WIDTH)}${cells.join('')}`;
}

const TIME_WIDTH = 6;
const STATUS_WIDTH = 16;
