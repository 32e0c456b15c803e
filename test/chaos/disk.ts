import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SIZE = '64m';
const PIECE = Buffer.alloc(1 << 20);

/** A small file system of its own for Windback's state, which can be filled; a plain folder where that is not allowed. */
export class Disk {
  readonly path: string;
  /** Whether it has an end: mounting takes root, and Linux. */
  readonly isMounted: boolean;

  constructor(folder: string) {
    this.path = join(folder, 'disk');
    mkdirSync(this.path);
    this.isMounted = mount(this.path);
  }

  /** Leaves not a byte. */
  fill(): void {
    const file = openSync(join(this.path, 'filling'), 'w');
    try {
      for (let size = PIECE.length; size > 0; ) {
        try {
          if (writeSync(file, PIECE, 0, size) < size) size >>= 1;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          size >>= 1;
        }
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.path, 'filling'), { force: true });
  }

  close(): void {
    if (this.isMounted) execFileSync('umount', [this.path]);
  }
}

function mount(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'windback-chaos', path], { stdio: 'ignore' });
  } catch {
    return false;
  }
  const probe = join(path, 'probe');
  closeSync(openSync(probe, 'w'));
  unlinkSync(probe);
  return true;
}
