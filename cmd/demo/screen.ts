import { stripVTControlCharacters } from 'node:util';
import { seconds, type Paint, painter } from './style.ts';
import { type Row, statusHeader, statusLine, table } from './table.ts';

/** The least terminal on which the picture is redrawn in place. */
const MIN_COLUMNS = 90;
const MIN_ROWS = 24;
/** How often a line is written where nothing can be redrawn. */
const LINE_EVERY_MS = 5000;

/** Something that happened, and when. */
interface Happening {
  readonly atMs: number;
  readonly text: string;
}

/**
 * What the demo shows while it runs: the versions and what has happened. On a terminal it is a picture redrawn in
 * place, elsewhere lines that follow one another.
 */
export class Screen {
  readonly paint: Paint;
  readonly #stream: NodeJS.WriteStream;
  readonly #isLive: boolean;
  readonly #startedMs = performance.now();
  readonly #happenings: Happening[] = [];
  #drawnLines = 0;
  #nextLineMs = 0;
  #hasHeader = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.paint = painter(stream);
    this.#isLive = stream.isTTY && stream.columns >= MIN_COLUMNS && stream.rows >= MIN_ROWS;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Writes lines that stay. */
  print(...lines: readonly string[]): void {
    this.#stream.write(`${lines.join('\n')}\n`);
  }

  /** Something has happened: a line of the picture, or one that stays. */
  tell(text: string): void {
    const happening = { atMs: this.elapsedMs, text };
    if (this.#isLive) this.#happenings.push(happening);
    else this.print(this.#line(happening));
  }

  /** Shows how the versions do now. */
  show(rows: readonly Row[]): void {
    if (this.#isLive) this.#draw(rows);
    else if (this.elapsedMs >= this.#nextLineMs) this.#addLine(rows);
  }

  /** The last picture stays. */
  close(rows: readonly Row[]): void {
    if (this.#isLive) this.#draw(rows);
    else this.print('', ...table(rows, this.paint));
    this.#drawnLines = 0;
  }

  #draw(rows: readonly Row[]): void {
    const picture = [
      ...table(rows, this.paint),
      '',
      ...this.#happenings.map((one) => this.#line(one)),
      this.paint('dim', `${seconds(this.elapsedMs).padStart(6)}`),
    ];
    const up = this.#drawnLines === 0 ? '' : `\x1b[${this.#drawnLines}A`;
    const cut = picture.map((line) => `${shortened(line, this.#stream.columns)}\x1b[K\n`);
    this.#stream.write(`${up}\r${cut.join('')}\x1b[J`);
    this.#drawnLines = picture.length;
  }

  #addLine(rows: readonly Row[]): void {
    if (!this.#hasHeader) this.print(...statusHeader(rows, this.paint));
    this.#hasHeader = true;
    this.#nextLineMs = this.elapsedMs + LINE_EVERY_MS - 500;
    this.print(statusLine(this.elapsedMs, rows, this.paint));
  }

  #line({ atMs, text }: Happening): string {
    return `${this.paint('dim', seconds(atMs).padStart(6))}  ${text}`;
  }
}

/** A line that wraps would spoil the redrawing: cut it, and its colours with it. */
function shortened(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= columns ? line : `${plain.slice(0, columns - 1)}…`;
}
