/** A flame graph as SVG: each call as wide as the time spent in it, on top of whoever called it. */
import { picture, rect, text } from '../pictures/svg.ts';
import type { Call } from './tree.ts';

const WIDTH = 1200;
const ROW = 17;
const TOP = 44;
const MARGIN = 10;
/** Narrower calls are left out; the time is in their caller. */
const NARROWEST = 1.5;
/** Pixels that a letter takes, roughly. */
const LETTER = 6.6;

export function drawFlame(tree: Call, title: string): string {
  const width = WIDTH - 2 * MARGIN;
  const depth = depthOf(tree, width / tree.total);
  const parts = [text(MARGIN, 24, title, '', 'start', ' font-weight="600"')];
  const draw = (call: Call, left: number, row: number): void => {
    const wide = call.total * (width / tree.total);
    if (wide < NARROWEST) return;
    parts.push(box(call, tree.total, left, TOP + row * ROW, wide));
    let at = left;
    for (const inner of call.calls) {
      draw(inner, at, row + 1);
      at += inner.total * (width / tree.total);
    }
  };
  draw(tree, MARGIN, 0);
  return picture(WIDTH, TOP + depth * ROW + MARGIN, title, parts);
}

function depthOf(call: Call, pixelsPerMicro: number): number {
  const inner = call.calls.filter(({ total }) => total * pixelsPerMicro >= NARROWEST);
  return 1 + Math.max(0, ...inner.map((one) => depthOf(one, pixelsPerMicro)));
}

function box({ name, total }: Call, all: number, left: number, top: number, width: number): string {
  const share = `${((100 * total) / all).toFixed(1)} %`;
  const shown = Math.floor((width - 6) / LETTER);
  const label = shown < 4 ? '' : text(left + 3, top + 12, name.slice(0, shown), '', 'start', ' font-size="11"');
  const frame = rect({ left, top, width: Math.max(0.5, width - 0.5), height: ROW - 1 }, colourOf(name));
  return `<g><title>${name.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}: ${share}</title>${frame}${label}</g>`;
}

/** Ours, Node's, and what the engine does by itself. */
function colourOf(name: string): string {
  if (name.startsWith('(')) return 'pale';
  return name.includes('node:') || !name.includes('/') ? 'gold-fill soft-fill' : 'band';
}
