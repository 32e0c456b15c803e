import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: object) => Promise<void>;

let collect: Collect | undefined;

/**
 * Collects all garbage of this thread, as `node --expose-gc` lets one; `last-resort` also what has been compiled and is
 * not in use now. It stops the thread for some 30 ms.
 */
export async function collectGarbage(flavor: 'regular' | 'last-resort'): Promise<void> {
  collect ??= collector();
  await collect({ type: 'major', flavor, execution: 'async' });
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  // The function is there in contexts that are made after the flag was set.
  const found = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return found;
}
