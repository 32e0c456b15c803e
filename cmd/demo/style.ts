import { styleText } from 'node:util';

export type Colour = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan';

/** Colours text where the stream shows colours: on a terminal, and without NO_COLOR. */
export type Paint = (colour: Colour | readonly Colour[], text: string) => string;

export function painter(stream: NodeJS.WriteStream): Paint {
  return (colour, text) => styleText(colour as Colour | Colour[], text, { stream });
}

/** 1234567 as `1 234 567`. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** The share of a whole as `26.3 %`, `-` of nothing. */
export function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((part / whole) * 100).toFixed(1)} %`;
}

/** Milliseconds as whole seconds: `34 s`. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

/** Between words, but not inside of `3 333`. */
const GAP = /(?<!\d) | (?!\d{3}(?!\d))/;

/** Breaks text into lines of at most `width` characters, between words. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(GAP)) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
