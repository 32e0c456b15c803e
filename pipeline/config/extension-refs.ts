/** What names an extension: the list of the service, receivers that ask who may send, queues that lie on disk. */
import type { AuthExtension } from '../auth/config.ts';
import { type Located, type LocatedScalar, type Path, find, formatPath, shownText } from './located.ts';
import type { Problem } from './report.ts';
import { ID } from './schema.ts';
import { suggestion } from './suggest.ts';

/** Every extension that is named is there, under `ids`. Returns those that are named. */
export function checkExtensionRefs(root: Located, ids: ReadonlySet<string>, problems: Problem[]): Set<string> {
  const used = new Set<string>();
  checkList(root, ids, problems);
  checkFileStorage(root, ids, problems);
  checkNamed(root, used, problems, {
    section: 'receivers',
    within: 'auth',
    key: 'authenticator',
    ids: [...ids].filter(isAuthenticator),
    what: 'authenticator',
    add: 'add a bearertokenauth or basicauth under extensions',
  });
  checkNamed(root, used, problems, {
    section: 'exporters',
    within: 'sending_queue',
    key: 'storage',
    ids: [...ids].filter(isFileStorage),
    what: 'file_storage',
    add: 'add file_storage under extensions',
  });
  return used;
}

/** Authenticators that nobody asks: whoever configured them thinks that somebody does. */
export function unusedAuthenticators(root: Located, ids: ReadonlySet<string>, used: ReadonlySet<string>): Problem[] {
  return [...ids]
    .filter((id) => isAuthenticator(id) && !used.has(id))
    .map((id) => ({
      at: find(root, ['extensions', id]).keyAt,
      path: `extensions.${id}`,
      what: 'no receiver asks it who may send',
      todo: `name it in auth of a receiver: {authenticator: ${id}}, or remove it`,
    }));
}

function checkList(root: Located, ids: ReadonlySet<string>, problems: Problem[]): void {
  const list = find(root, ['service', 'extensions']).node;
  for (const [index, item] of (list?.kind === 'list' ? list.items : []).entries()) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string' || ids.has(item.value)) continue;
    const path = `service.extensions[${index}]`;
    const shown = shownText(item);
    const what = `there is no extension ${shown}`;
    const todo = ids.size === 0 ? `add ${shown} under extensions` : suggestion(item.value, [...ids], 'extensions');
    problems.push({ at: item.at, path, what, todo });
  }
}

function checkFileStorage(root: Located, ids: ReadonlySet<string>, problems: Problem[]): void {
  const [kept, ...more] = [...ids].filter(isFileStorage);
  for (const id of more) {
    const at = find(root, ['extensions', id]).keyAt;
    const todo = `keep one of them: all components share ${kept}`;
    problems.push({ at, path: `extensions.${id}`, what: 'a second file_storage', todo });
  }
}

const AUTHENTICATORS: readonly (string | undefined)[] = [
  'bearertokenauth',
  'basicauth',
] satisfies AuthExtension['type'][];

/** Whether the extension with this id tells who may send. */
export function isAuthenticator(id: string): boolean {
  return AUTHENTICATORS.includes(ID.exec(id)?.groups?.type);
}

function isFileStorage(id: string): boolean {
  return ID.exec(id)?.groups?.type === 'file_storage';
}

/** A key whose value names an extension, in a map of a certain name. */
interface Named {
  readonly section: 'receivers' | 'exporters';
  readonly within: string;
  readonly key: string;
  /** What it may name. */
  readonly ids: readonly string[];
  readonly what: string;
  /** What to do where there is none. */
  readonly add: string;
}

function checkNamed(
  root: Located,
  used: Set<string>,
  problems: Problem[],
  { section, within, key, ids, what, add }: Named,
): void {
  const complain = (node: LocatedScalar, path: Path): void => {
    const { at, value } = node;
    problems.push({
      at,
      path: formatPath(path),
      what: `there is no ${what} ${shownText(node)}`,
      todo: ids.length === 0 ? add : suggestion(String(value), ids, `${what}s`),
    });
  };
  const visit = (node: Located, path: Path): void => {
    if (node.kind === 'list') return node.items.forEach((item, i) => visit(item, [...path, i]));
    if (node.kind !== 'map') return;
    for (const [name, { value }] of node.entries) {
      const named = find(value, [key]).node;
      visit(value, [...path, name]);
      if (name !== within || named?.kind !== 'scalar' || typeof named.value !== 'string') continue;
      used.add(named.value);
      if (!ids.includes(named.value)) complain(named, [...path, name, key]);
    }
  };
  const top = find(root, [section]).node;
  if (top !== undefined) visit(top, [section]);
}
