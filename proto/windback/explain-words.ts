/** How figures and texts are written on a page of plain text. */

/** Columns of a page. */
export const PAGE_WIDTH = 100;

/** 9340 as `9 340`; from a hundred thousand on as `123 k`, `12.3 M`, from a million million on as `10^12`. */
export function amount(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value >= 1e12) return `10^${Math.floor(Math.log10(value))}`;
  const unit = UNITS.find(([size]) => value >= size * (size === 1e3 ? 100 : 1));
  if (unit !== undefined) return `${Number((value / unit[0]).toPrecision(3))} ${unit[1]}`;
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
}

const UNITS = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** A share as `2.3 %`, `-` of nothing. */
export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return '-';
  const share = (part / whole) * 100;
  const digits = share === 0 || share >= 99.95 ? 0 : share >= 1 ? 1 : 2;
  return `${share > 0 && share < 0.01 ? '<0.01' : share.toFixed(digits)} %`;
}

/**
 * An e-value as the number of rollouts among which chance alone brings it about once: `3 333`. Rounded down, since it
 * must not promise more than it has. `-` where it says nothing.
 */
export function oneIn(e: number): string {
  if (!(e > 1)) return '-';
  if (e < 10) return (Math.floor(e * 10) / 10).toFixed(1);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(e)) - 2);
  return amount(e < 1e5 || e >= 1e12 ? Math.floor(e) : Math.floor(e / unit) * unit);
}

/** The same as words: `1 in 3 333`. */
export function chance(e: number): string {
  return e > 1 ? `1 in ${oneIn(e)}` : 'any number of';
}

/** A relative risk: `3.1`, `50`. */
export function times(value: number): string {
  return value >= 10 ? amount(value) : value.toFixed(1);
}

/** 250 as `4 min 10 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'min'],
    [whole % 60, 's'],
  ] as const;
  const shown = parts.filter(([number]) => number > 0).map(([number, unit]) => `${number} ${unit}`);
  return shown.length === 0 ? '0 s' : shown.join(' ');
}

/** `2026-01-01T00:05:00.000Z` as `2026-01-01 00:05:00 UTC`; another text as it is. */
export function moment(time: string): string {
  return time.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, '$1 $2 UTC');
}

/** Text from telemetry or a person as a terminal may show it: on one line, and unable to steer the terminal. */
export function clean(text: string): string {
  return text.replaceAll(/[\p{C}\u2028\u2029]+/gu, '?');
}

/** At most `width` characters. */
export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** A word of a command line that a person can paste into a shell, whatever is in it. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Between words, but not inside of `3 333` or `10 %`. */
const GAP = /(?<!\d) +| +(?!\d{3}(?!\d)|%|[kMG]\b)/;

/** Breaks text into lines between words; a word that is too long is cut. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(GAP).flatMap((whole) => whole.match(new RegExp(`.{1,${width}}`, 'gsu')) ?? [])) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

/** Text behind a label, continued below itself: `  label     text`. */
export function field(label: string, text: string, labelWidth = 12): string[] {
  const lines = wrapped(text, PAGE_WIDTH - 2 - labelWidth);
  return lines.map((line, i) => `  ${(i === 0 ? label : '').padEnd(labelWidth)}${line}`);
}

/** Cells in columns, the first to the left; it is cut where the line would be wider than the page. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const others = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  widths[0] = Math.max(8, Math.min(widths[0] ?? 0, PAGE_WIDTH - 2 - others));
  return rows.map((row) => {
    const cells = widths.map((width, i) =>
      i === 0 ? clip(row[i] ?? '', width).padEnd(width) : (row[i] ?? '').padStart(width),
    );
    return clip(`  ${cells.join('  ')}`.trimEnd(), PAGE_WIDTH);
  });
}
