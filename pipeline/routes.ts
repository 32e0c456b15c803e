/**
 * The operator's API: components register what they answer, and the server of `/metrics` serves it
 * (`telemetry/admin.ts`). JSON goes in and out.
 */
import { PipelineError } from './errors.ts';

export type RouteMethod = 'GET' | 'POST' | 'DELETE';

export interface RouteRequest {
  /** The named parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The header Accept; empty where there is none. */
  readonly accept: string;
  /** The body as parsed from JSON; undefined where there is none. */
  readonly body: unknown;
}

/** What is answered: a value as JSON, or a text as it is. */
export type RouteAnswer = { readonly status?: number } & ({ readonly json: unknown } | { readonly text: string });

/** Throws a `PipelineError` to refuse; its row says the status. Whatever else it throws is a defect, 500. */
export type RouteHandler = (request: RouteRequest) => RouteAnswer | Promise<RouteAnswer>;

/** Where one component registers its routes, at best when it is made. */
export interface Routes {
  /** `pattern` is a path whose segments in braces are parameters: `/api/decisions/{id}`. */
  add(method: RouteMethod, pattern: string, handler: RouteHandler): void;
}

/** The routes of one component, as long as it is there. */
export interface RoutesPart extends Routes {
  end(): void;
}

interface Registered {
  readonly component: string;
  readonly handler: RouteHandler;
}

interface Pattern {
  readonly segments: readonly string[];
  readonly methods: Map<RouteMethod, Registered[]>;
}

export interface Matched {
  readonly handler: RouteHandler;
  readonly params: Readonly<Record<string, string>>;
}

/** The routes of all components of a process. */
export class Router {
  readonly #patterns = new Map<string, Pattern>();

  /** What the component with this id registers with. */
  of(component: string): RoutesPart {
    const own = new Set<Registered>();
    return {
      add: (method, pattern, handler) => {
        const registered = { component, handler };
        own.add(registered);
        this.#add(method, pattern, registered);
      },
      end: () => this.#remove(own),
    };
  }

  /** The registered patterns, for whoever asks for another path. */
  get paths(): readonly string[] {
    return [...this.#patterns.keys()];
  }

  /**
   * Finds who answers. Where several components of one type do, such as two judges, the query says which one:
   * `?component=verdict/eu`. Throws `api_not_found`, `api_method`, `api_invalid` or `api_conflict`.
   */
  match(method: string, path: string, query: URLSearchParams): Matched {
    const wanted = path.split('/').map(decoded);
    for (const { segments, methods } of this.#patterns.values()) {
      const params = paramsOf(segments, wanted);
      if (params === undefined) continue;
      const able = methods.get((method === 'HEAD' ? 'GET' : method) as RouteMethod);
      if (able !== undefined) return { handler: choose(able, query.get('component')).handler, params };
      throw new PipelineError('api_method', `${method} ${path}; there is ${[...methods.keys()].join(', ')}`);
    }
    throw new PipelineError(
      'api_not_found',
      `no such path: ${path}; there is ${this.paths.join(', ') || 'none: no pipeline judges'}`,
    );
  }

  #remove(own: ReadonlySet<Registered>): void {
    for (const [path, { methods }] of this.#patterns) {
      for (const [method, registered] of methods) {
        const others = registered.filter((one) => !own.has(one));
        if (others.length > 0) methods.set(method, others);
        else methods.delete(method);
      }
      if (methods.size === 0) this.#patterns.delete(path);
    }
  }

  #add(method: RouteMethod, path: string, registered: Registered): void {
    const pattern = this.#patterns.get(path) ?? { segments: path.split('/'), methods: new Map() };
    this.#patterns.set(path, pattern);
    pattern.methods.set(method, [...(pattern.methods.get(method) ?? []), registered]);
  }
}

function choose(able: readonly Registered[], wanted: string | null): Registered {
  const ids = able.map(({ component }) => component).join(', ');
  if (wanted === null) {
    if (able.length === 1) return able[0] as Registered;
    throw new PipelineError('api_conflict', `several components answer here; add ?component= with one of: ${ids}`);
  }
  const found = able.find(({ component }) => component === wanted);
  if (found === undefined) throw new PipelineError('api_not_found', `no component ${wanted} here; there is ${ids}`);
  return found;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new PipelineError('api_invalid', `"${segment}" in the path is not percent-encoded text`);
  }
}

/** Undefined where the path does not fit; a parameter is never empty. */
function paramsOf(segments: readonly string[], path: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== path.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, segment] of segments.entries()) {
    const given = path[i] as string;
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (name === undefined ? segment !== given : given === '') return undefined;
    if (name !== undefined) params[name] = given;
  }
  return params;
}
