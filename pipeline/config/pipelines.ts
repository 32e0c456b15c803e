/** The pipelines: their signals, and what their lists name. Whether the signals fit is the graph's to check. */
import type { Signal } from '../batch.ts';
import type { ProcessorFactory } from '../component.ts';
import type { PipelineConfig, Ref } from './loaded.ts';
import { type Entry, type Located, type LocatedScalar, find, formatPath, shownText } from './located.ts';
import type { Position, Problem } from './report.ts';
import { ID, SECTIONS, SIGNALS } from './schema.ts';
import { closest, suggestion } from './suggest.ts';

type List = 'receivers' | 'processors' | 'exporters';

/** What pipelines may refer to: every id that stands in the configuration. */
export interface Referable {
  readonly receivers: ReadonlySet<string>;
  readonly processors: ReadonlySet<string>;
  readonly exporters: ReadonlySet<string>;
  /** The processors whose configuration is valid, to see which are sources too. */
  readonly processorFactories: ReadonlyMap<string, ProcessorFactory>;
}

/** Resolves `service.pipelines` of `root`; what the schema complains about already is passed over. */
export function checkPipelines(root: Located, referable: Referable, problems: Problem[]): PipelineConfig[] {
  const found = find(root, ['service', 'pipelines']);
  const entries = found.node?.kind === 'map' ? [...found.node.entries] : [];
  const isEmpty = found.node === undefined || found.node.kind === 'map' || isNull(found.node);
  if (entries.length === 0 && isEmpty) {
    const todo = 'add at least one, such as traces: {receivers: [otlp], exporters: [debug]}';
    problems.push({ at: found.at, path: 'service.pipelines', what: 'there are no pipelines', todo });
  }
  return entries.map(([id, entry]) => new PipelineChecker(id, entry, referable, problems).check());
}

class PipelineChecker {
  readonly #id: string;
  readonly #entry: Entry;
  readonly #referable: Referable;
  readonly #problems: Problem[];

  constructor(id: string, entry: Entry, referable: Referable, problems: Problem[]) {
    this.#id = id;
    this.#entry = entry;
    this.#referable = referable;
    this.#problems = problems;
  }

  check(): PipelineConfig {
    const { type, name = '' } = ID.exec(this.#id)?.groups ?? {};
    const signal = SIGNALS.find((known) => known === type);
    if (signal === undefined) {
      const todo =
        type === undefined ? 'want signal or signal/name, such as traces or traces/eu' : this.#whichSignal(type);
      this.#complain(this.#entry.keyAt, [], type === undefined ? 'not an id of a pipeline' : 'unknown signal', todo);
    }
    const [receivers, processors, exporters] = (['receivers', 'processors', 'exporters'] as const).map((list) =>
      this.#refs(list),
    ) as [Ref[], Ref[], Ref[]];
    // A pipeline without a signal never leaves here: its problem is reported.
    const known: Signal = signal ?? 'traces';
    return { id: this.#id, signal: known, name, receivers, processors, exporters, at: this.#entry.keyAt };
  }

  #whichSignal(type: string): string {
    return suggestion(type, SIGNALS, 'signals');
  }

  #refs(list: List): Ref[] {
    const node = find(this.#entry.value, [list]).node;
    const seen = new Set<string>();
    const refs: Ref[] = [];
    for (const [index, item] of (node?.kind === 'list' ? node.items : []).entries()) {
      if (!isText(item)) continue;
      const id = item.value;
      const from = this.#resolve(list, id, shownText(item));
      if (typeof from !== 'string') this.#complain(item.at, [list, index], from.what, from.todo);
      else if (seen.has(id))
        this.#complain(item.at, [list, index], `${shownText(item)} is listed twice`, 'list it once');
      else refs.push({ id, at: item.at, from });
      seen.add(id);
    }
    return refs;
  }

  #resolve(list: List, id: string, shown: string): Ref['from'] | { what: string; todo: string } {
    if (this.#referable[list].has(id)) return list;
    const noun = SECTIONS[list];
    if (list === 'receivers' && this.#referable.processors.has(id)) {
      const factory = this.#referable.processorFactories.get(id);
      // Without a factory the id has a problem of its own.
      if (factory === undefined || isSource(factory)) return 'processors';
      return { what: `${id} is a processor that emits nothing of its own`, todo: 'list it under processors' };
    }
    const other = (['receivers', 'processors', 'exporters'] as const).find((each) => this.#referable[each].has(id));
    if (other !== undefined) {
      const todo = `list it under ${other}, or configure ${id} under ${list}`;
      return { what: `${id} is configured as ${SECTIONS[other] === 'exporter' ? 'an' : 'a'} ${SECTIONS[other]}`, todo };
    }
    const meant = closest(id, [...this.#referable[list]]);
    const todo =
      meant === undefined ? `add ${shown} under ${list}` : `did you mean ${meant}? Or add ${shown} under ${list}`;
    return { what: `there is no ${noun} ${shown}`, todo };
  }

  #complain(at: Position, path: readonly (string | number)[], what: string, todo: string): void {
    this.#problems.push({ at, path: formatPath(['service', 'pipelines', this.#id, ...path]), what, todo });
  }
}

/** Whether a pipeline may list it under `receivers`. */
function isSource({ accepts, emits }: ProcessorFactory): boolean {
  return emits.some((signal) => !accepts.includes(signal));
}

function isNull(node: Located): boolean {
  return node.kind === 'scalar' && node.value === null && node.broken !== true;
}

function isText(node: Located): node is LocatedScalar & { value: string } {
  return node.kind === 'scalar' && typeof node.value === 'string';
}
