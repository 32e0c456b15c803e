/** The sections of components: ids, types, and each component's own configuration. */
import type { z } from 'zod';
import type { ComponentTable } from '../component.ts';
import { check } from './check.ts';
import type { Configured } from './loaded.ts';
import type { Located } from './located.ts';
import type { Problem } from './report.ts';
import { EXTENSIONS, ID, SECTIONS, type Section } from './schema.ts';
import { suggestion } from './suggest.ts';

/** What a section can configure: the part of a factory that is read here. */
interface Kind {
  readonly type: string;
  readonly config: z.ZodType;
}

export interface Components<Factory> {
  readonly configured: ReadonlyMap<string, Configured<Factory>>;
  /** Ids that stand in the configuration, also those with problems. */
  readonly ids: ReadonlySet<string>;
  /** The configured values in the form that the user writes. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Checks every component under `section` of `root`. Types are looked up among `kinds`. */
export function checkComponents<Factory extends Kind>(
  root: Located,
  section: Section,
  kinds: readonly Factory[],
  table: ComponentTable,
  problems: Problem[],
): Components<Factory> {
  const configured = new Map<string, Configured<Factory>>();
  const values = new Map<string, unknown>();
  const node = root.kind === 'map' ? root.entries.get(section)?.value : undefined;
  const entries = node?.kind === 'map' ? [...node.entries] : [];
  for (const [id, { keyAt, value }] of entries) {
    const path = [section, id];
    const complain = (what: string, todo: string) => problems.push({ at: keyAt, path: path.join('.'), what, todo });
    const type = ID.exec(id)?.groups?.type;
    const factory = kinds.find((kind) => kind.type === type);
    if (type === undefined) {
      complain('not an id of a component', 'want type or type/name, such as otlp or otlp/backend');
    } else if (factory === undefined) {
      complain(
        `unknown ${SECTIONS[section]} type`,
        elsewhere(type, section, table) ?? knownTypes(type, section, kinds),
      );
    } else {
      const checked = check(factory.config, value, { path, keyAt });
      problems.push(...checked.problems);
      values.set(id, checked.value);
      if (checked.problems.length === 0) configured.set(id, { id, factory, config: checked.output, at: keyAt });
    }
  }
  return { configured, ids: new Set(entries.map(([id]) => id)), values };
}

function knownTypes(type: string, section: Section, kinds: readonly Kind[]): string {
  const known = kinds.map((kind) => kind.type);
  return suggestion(type, known, section);
}

/** `kafka` under `receivers`, where there is only an exporter of this type. */
function elsewhere(type: string, section: Section, table: ComponentTable): string | undefined {
  const types = { ...table, extensions: Object.keys(EXTENSIONS).map((name) => ({ type: name })) };
  for (const other of ['receivers', 'processors', 'exporters', 'extensions'] as const) {
    if (other === section || !types[other].some((kind) => kind.type === type)) continue;
    return `${type} is ${other === 'exporters' || other === 'extensions' ? 'an' : 'a'} ${SECTIONS[other]}: move it to ${other}`;
  }
  return undefined;
}
