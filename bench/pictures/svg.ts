/** Small charts as SVG text: axes, lines and words, readable on light and on dark. No dependencies, no fonts to load. */

export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly isLog?: boolean;
  readonly ticks: readonly (readonly [at: number, label: string])[];
}

/** A rectangle in pixels. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export type Point = readonly [x: number, y: number];

/** A coordinate system in which things can be drawn; each method gives the text of an element. */
export interface Panel {
  /** Axes, grid and title. */
  readonly axes: string;
  /** A line; it ends where it leaves the panel above, and runs along the bottom where it falls below. */
  line(points: readonly Point[], look: string): string;
  /** The surface between two lines over the same places. */
  area(lower: readonly Point[], upper: readonly Point[], look: string): string;
  /** A horizontal line over the whole width, with its name at its right end. */
  level(y: number, look: string, name: string, side?: 'above' | 'below'): string;
  /** Words beside a point, shifted by pixels. */
  words(at: Point, text: string, look?: string, anchor?: Anchor, shift?: Point): string;
  dot(at: Point, look: string): string;
}

export type Anchor = 'start' | 'middle' | 'end';

const STYLE = `
svg{color:#1f2328}
.page{fill:#fff}
.grid{stroke:#d1d9e0}
.soft{fill:#59636e}
.ink{stroke:currentColor;fill:none}
.blue{stroke:#0969da;fill:none}
.red{stroke:#c4432b;fill:none}
.gold{stroke:#9a6700;fill:none}
.thin{stroke:#8c959f;fill:none;stroke-width:.8;opacity:.75}
.dash{stroke-dasharray:6 4}
.dots{stroke-dasharray:2 3}
.band{fill:#0969da;opacity:.18}
.blue-fill{fill:#0969da}
.red-fill{fill:#c4432b}
.gold-fill{fill:#9a6700}
.pale{fill:#d1d9e0}
@media (prefers-color-scheme:dark){
svg{color:#e6edf3}
.page{fill:#0d1117}
.grid{stroke:#30363d}
.soft{fill:#9ea7b3}
.blue{stroke:#58a6ff}
.red{stroke:#ff7b72}
.gold{stroke:#d29922}
.thin{stroke:#8b949e}
.band{fill:#58a6ff;opacity:.25}
.blue-fill{fill:#58a6ff}
.red-fill{fill:#ff7b72}
.gold-fill{fill:#d29922}
.pale{fill:#30363d}
}`;

/** A whole picture. `alt` is its title, for those who cannot see it. */
export function picture(width: number, height: number, alt: string, parts: readonly string[]): string {
  const font = 'font-family="system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif" font-size="12"';
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ${font} fill="currentColor" stroke-width="1.8">`,
    `<title>${escaped(alt)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...parts,
    '</svg>',
  ].join('\n')}\n`;
}

export function text(x: number, y: number, words: string, look = '', anchor: Anchor = 'start', more = ''): string {
  const where = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  const kind = look === '' ? '' : ` class="${look}"`;
  return `<text x="${digits(x)}" y="${digits(y)}"${kind}${where}${more}>${escaped(words)}</text>`;
}

export function rect({ left, top, width, height }: Frame, look: string): string {
  return `<rect class="${look}" x="${digits(left)}" y="${digits(top)}" width="${digits(width)}" height="${digits(height)}"/>`;
}

export function panel(frame: Frame, title: string, x: Axis, y: Axis): Panel {
  const place = ([px, py]: Point): Point => [
    frame.left + share(x, px) * frame.width,
    frame.top + (1 - share(y, py)) * frame.height,
  ];
  const right = frame.left + frame.width;
  return {
    axes: axesOf(frame, title, x, y),
    line: (points, look) => {
      const end = points.findIndex(([, py]) => py > y.to);
      const shown = end < 0 ? points : points.slice(0, end + 1);
      return path(shown.map(place), look);
    },
    area: (lower, upper, look) =>
      `${path([...lower.map(place), ...upper.toReversed().map(place)], look).replace(/"\/>$/, 'z"/>')}`,
    level: (py, look, name, side = 'above') => {
      const [, at] = place([x.from, py]);
      const label = text(right - 4, side === 'above' ? at - 4 : at + 13, name, 'soft', 'end');
      return `${path(
        [
          [frame.left, at],
          [right, at],
        ],
        look,
      )}\n${label}`;
    },
    words: (at, words, look = '', anchor = 'start', shift = [0, 0]) => {
      const [px, py] = place(at);
      return text(px + shift[0], py + shift[1], words, look, anchor);
    },
    dot: (at, look) => {
      const [px, py] = place(at);
      return `<circle class="${look}" cx="${digits(px)}" cy="${digits(py)}" r="4"/>`;
    },
  };
}

function axesOf({ left, top, width, height }: Frame, title: string, x: Axis, y: Axis): string {
  const bottom = top + height;
  const parts = [text(left, top - 10, title, '', 'start', ' font-weight="600"')];
  for (const [at, label] of y.ticks) {
    const py = top + (1 - share(y, at)) * height;
    parts.push(
      path(
        [
          [left, py],
          [left + width, py],
        ],
        'grid',
      ),
      text(left - 6, py + 4, label, 'soft', 'end'),
    );
  }
  for (const [at, label] of x.ticks) {
    const px = left + share(x, at) * width;
    parts.push(
      path(
        [
          [px, bottom],
          [px, bottom + 4],
        ],
        'grid',
      ),
      text(px, bottom + 17, label, 'soft', 'middle'),
    );
  }
  parts.push(text(left + width / 2, bottom + 34, x.label, '', 'middle'));
  if (y.label !== '') {
    const widest = Math.max(...y.ticks.map(([, label]) => label.length));
    const [px, py] = [left - 16 - 7 * widest, top + height / 2];
    parts.push(text(px, py, y.label, '', 'middle', ` transform="rotate(-90 ${digits(px)} ${digits(py)})"`));
  }
  return parts.join('\n');
}

/** Where a value lies between the ends of an axis, 0 to 1. */
function share({ from, to, isLog = false }: Axis, value: number): number {
  const at = (one: number) => (isLog ? Math.log(Math.max(one, Number.MIN_VALUE)) : one);
  return Math.min(1, Math.max(0, (at(value) - at(from)) / (at(to) - at(from))));
}

/** Relative steps, in tenths of a pixel: half as many characters as places, and rounding does not add up. */
function path(points: readonly Point[], look: string): string {
  let [lastX, lastY] = [0, 0];
  const steps = points.map(([x, y], i) => {
    const [tenthX, tenthY] = [Math.round(x * 10), Math.round(y * 10)];
    const step = `${i === 0 ? 'M' : ''}${(tenthX - lastX) / 10} ${(tenthY - lastY) / 10}`;
    [lastX, lastY] = [tenthX, tenthY];
    return i === 0 ? `${step}l` : step;
  });
  return `<path class="${look}" d="${steps.join(' ').replaceAll(' -', '-').replace(/l$/, '')}"/>`;
}

function digits(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
