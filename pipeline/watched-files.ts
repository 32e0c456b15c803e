import { readFile, stat } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { PipelineError } from './errors.ts';
import type { Logger } from './telemetry/logger.ts';

/** Who looks at files, and what is said of them. */
export interface Watching {
  readonly periodMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What log lines carry, to tell whose files they are. */
  readonly subject: Readonly<Record<string, string>>;
  /** What is in the files, in the plural. */
  readonly what: string;
}

/** Files that may change while the process runs, each under the key of the configuration that names it. */
export class WatchedFiles {
  readonly #paths: readonly (readonly [string, string])[];
  #seen = '';

  /** `paths`: by key, which errors name; keys without a path are passed over. */
  constructor(paths: Readonly<Record<string, string | undefined>>) {
    this.#paths = Object.entries(paths).filter((entry): entry is [string, string] => entry[1] !== undefined);
  }

  /** Their contents by key, and from here on `changed` is about these. Rejects with `file_unreadable`. */
  async read(): Promise<ReadonlyMap<string, Buffer>> {
    // Looked at first: what changes while it is read is read again.
    const seen = await this.#look();
    const contents = new Map(await this.#each(async (path, key) => [key, await readFile(path)] as const));
    this.#seen = seen;
    return contents;
  }

  /** Whether one of them is another than when it was read. Rejects with `file_unreadable`. */
  async changed(): Promise<boolean> {
    return (await this.#look()) !== this.#seen;
  }

  /**
   * Has `take` read them and use what is in them whenever they have changed. Where it rejects, that is logged once and
   * tried again: of files that belong together the other one may come. Returns how to end that.
   */
  keepFresh({ periodMs, clock, logger, subject, what }: Watching, take: () => Promise<void>): () => void {
    let trouble = '';
    return clock.every(periodMs, async () => {
      try {
        if (trouble === '' && !(await this.changed())) return;
        await take();
        trouble = '';
        logger.info(subject, `new ${what} are in use`);
      } catch (thrown) {
        const { message } = thrown as Error;
        if (message !== trouble) logger.warn(subject, `${message}; the ${what} from before stay in use`);
        trouble = message;
      }
    });
  }

  async #look(): Promise<string> {
    // Of where a link points: Kubernetes changes a mounted secret by changing one.
    const looks = await this.#each(async (path) => {
      const { mtimeMs, ino, size } = await stat(path);
      return `${mtimeMs} ${ino} ${size}`;
    });
    return looks.join();
  }

  #each<T>(use: (path: string, key: string) => Promise<T>): Promise<T[]> {
    return Promise.all(
      this.#paths.map(async ([key, path]) => {
        try {
          return await use(path, key);
        } catch (error) {
          throw new PipelineError('file_unreadable', `${path} (${key}): ${(error as Error).message}`, { cause: error });
        }
      }),
    );
  }
}
