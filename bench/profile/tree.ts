/** A CPU profile of V8 as a tree of calls. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What `--cpu-prof` writes (Chrome DevTools protocol, Profiler.Profile). */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface Call {
  readonly name: string;
  /** Microseconds in the function itself, and with all that it calls. */
  own: number;
  total: number;
  readonly calls: Call[];
}

/** Waiting is no work; starting and stopping are not the hot path. */
const LEFT_OUT = new Set(['(idle)', '(program)', '(root)']);

/** The calls from the root on. Frames of one function under one caller are one, wherever they were called from. */
export function treeOf({ nodes, samples, timeDeltas }: CpuProfile): Call {
  const own = new Map<number, number>();
  samples.forEach((id, i) => own.set(id, (own.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const build = (ids: readonly number[], into: Call): void => {
    for (const id of ids) {
      const node = byId.get(id) as CpuProfile['nodes'][number];
      if (LEFT_OUT.has(node.callFrame.functionName)) continue;
      const name = nameOf(node.callFrame);
      let call = into.calls.find((known) => known.name === name);
      if (call === undefined) {
        call = { name, own: 0, total: 0, calls: [] };
        into.calls.push(call);
      }
      call.own += own.get(id) ?? 0;
      build(node.children ?? [], call);
    }
  };
  const root: Call = { name: 'all', own: 0, total: 0, calls: [] };
  build(nodes[0]?.children ?? [], root);
  addUp(root);
  return root;
}

function addUp(call: Call): number {
  call.total = call.own + call.calls.reduce((sum, inner) => sum + addUp(inner), 0);
  call.calls.sort((a, b) => b.total - a.total);
  return call.total;
}

/** Functions by their own time, as shares of all. */
export function heaviest(tree: Call, count: number): { readonly name: string; readonly share: number }[] {
  const own = new Map<string, number>();
  const walk = (call: Call): void => {
    own.set(call.name, (own.get(call.name) ?? 0) + call.own);
    call.calls.forEach(walk);
  };
  walk(tree);
  return [...own]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, micros]) => ({ name, share: micros / tree.total }));
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url.startsWith('file:')) return `${name} ${relative(ROOT, fileURLToPath(url))}:${lineNumber + 1}`;
  return url === '' ? name : `${name} ${url}`;
}
