import { readFile, stat } from 'node:fs/promises';
import { PipelineError } from './errors.ts';

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
