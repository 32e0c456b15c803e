import { type ASTNode, Environment, EvaluationError, ParseError } from '@marcbachmann/cel-js';
import type { TelemetrySignal } from '../../../pipeline/batch.ts';
import { compilePattern } from '../../../pipeline/pattern/pattern.ts';
import { PatternError } from '../../../pipeline/pattern/syntax.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { LogVariable, PointVariable, ResourceVariable, SpanVariable, type Variables } from './variables.ts';

/** The variable that stands for an item of each signal. */
export const VARIABLES = { traces: 'span', metrics: 'point', logs: 'log' } as const;

/** A condition that cannot be compiled; the message names the place in it. */
export class ConditionError extends Error {}

/** What a condition said of an item: it holds, it does not, or it could not be told, and why. */
export type Answer = 'yes' | 'no' | 'missing_attribute' | 'failed';

export interface Condition {
  /** Keys of item attributes that it reads; undefined where it may read any. */
  readonly keys: ReadonlySet<string> | undefined;
  /** The item's name that it insists on; undefined where it does not. */
  readonly name: string | undefined;
  /** Throws `WireError` where what it reads is malformed. */
  answer(variables: Variables): Answer;
}

/** Large enough for a person's condition, small enough that evaluating one never matters. */
const LIMITS = { maxAstNodes: 1000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 8 };
/** Longer texts are not matched: what a pattern costs grows with the text. */
const MATCHED_TEXT_MAX = 8192;
/** These run over a list or the keys of a map. */
const LOOPS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Compiles a condition on the items of a signal. Throws `ConditionError`. */
export function compileCondition(signal: TelemetrySignal, source: string): Condition {
  const variable = VARIABLES[signal];
  const environment = environmentOf(signal);
  try {
    const compiled = environment.parse(source);
    const type = compiled.check();
    if (!type.valid) throw type.error;
    if (type.type !== 'bool' && type.type !== 'dyn') {
      throw new ConditionError(`want a condition that is true or false, not ${type.type}`);
    }
    refuseNestedLoops(compiled.ast, false);
    return {
      keys: keysOf(compiled.ast, variable),
      name: nameOf(compiled.ast, variable),
      answer: (variables) => {
        try {
          const result: unknown = compiled(variables);
          return result === true ? 'yes' : result === false ? 'no' : 'failed';
        } catch (thrown) {
          if (thrown instanceof WireError) throw thrown;
          return (thrown as Partial<EvaluationError>).code === 'no_such_key' ? 'missing_attribute' : 'failed';
        }
      },
    };
  } catch (thrown) {
    throw asConditionError(thrown, source);
  }
}

/** What is wrong with a condition; undefined where nothing is. */
export function conditionProblem(signal: TelemetrySignal, source: string): string | undefined {
  try {
    compileCondition(signal, source);
    return undefined;
  } catch (thrown) {
    return (thrown as ConditionError).message;
  }
}

/** The first line of what the evaluator says, with the place as line (where there are several) and column. */
function asConditionError(thrown: unknown, source: string): ConditionError {
  if (thrown instanceof ConditionError) return thrown;
  const { summary, message, range } = thrown as Partial<ParseError>;
  const said = (summary ?? message ?? String(thrown)).split('\n')[0] as string;
  if (range === undefined) return new ConditionError(said);
  const before = source.slice(0, range.start).split('\n');
  const column = (before.at(-1) as string).length + 1;
  const line = source.trimEnd().includes('\n') ? `line ${before.length}, ` : '';
  return new ConditionError(`${line}column ${column}: ${said}`);
}

const environments = new Map<TelemetrySignal, Environment>();

function environmentOf(signal: TelemetrySignal): Environment {
  let environment = environments.get(signal);
  if (environment === undefined) {
    environment = withPatterns(new Environment({ limits: LIMITS, homogeneousAggregateLiterals: false }))
      .registerType('Resource', { ctor: ResourceVariable, fields: { attributes: 'map<string, dyn>' } })
      .registerVariable('resource', 'Resource');
    register[signal](environment);
    environments.set(signal, environment);
  }
  return environment;
}

const register: Readonly<Record<TelemetrySignal, (environment: Environment) => void>> = {
  traces: (environment) => {
    const fields = { name: 'string', kind: 'string', status: 'string', duration_ms: 'double' };
    environment
      .registerType('Span', { ctor: SpanVariable, fields: { ...fields, attributes: 'map<string, dyn>' } })
      .registerVariable('span', 'Span');
  },
  metrics: (environment) => {
    const fields = { name: 'string', unit: 'string', value: 'double', count: 'int', sum: 'double' };
    environment
      .registerType('Point', { ctor: PointVariable, fields: { ...fields, attributes: 'map<string, dyn>' } })
      .registerVariable('point', 'Point');
  },
  logs: (environment) => {
    const fields = { severity: 'int', severity_text: 'string', body: 'string', event_name: 'string' };
    environment
      .registerType('Log', { ctor: LogVariable, fields: { ...fields, attributes: 'map<string, dyn>' } })
      .registerVariable('log', 'Log');
  },
};

/**
 * `text.matches(pattern)` by `pattern.ts`. The library's own runs JavaScript's regular expressions, which whoever sends
 * telemetry could make backtrack; a macro of the same name is expanded before that one is looked for. The type is only
 * there because a function must belong to one, and another one than `string` has.
 */
function withPatterns(environment: Environment): Environment {
  return environment
    .registerType('Pattern', { fields: {} })
    .registerFunction('Pattern.matches(ast): bool', (call: MacroCall) => {
      const [pattern] = call.args;
      if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
        throw parseError('the pattern of matches() must be written out', pattern ?? call.ast);
      }
      const matches = compiledAt(pattern, pattern.args);
      return {
        typeCheck: (checker: Checker, _macro: unknown, context: unknown) => {
          const { name } = checker.check(call.receiver, context);
          if (name === 'string' || name === 'dyn') return checker.getType('bool');
          throw parseError(`matches() wants text, not ${name}`, call.receiver);
        },
        evaluate: (evaluator: Evaluator, _macro: unknown, context: unknown) => {
          const text = evaluator.run(call.receiver, context);
          if (typeof text !== 'string' || text.length > MATCHED_TEXT_MAX) {
            throw new EvaluationError('matches() wants text, and none too long');
          }
          return matches(text);
        },
      };
    });
}

function compiledAt(node: ASTNode, pattern: string): (text: string) => boolean {
  try {
    return compilePattern(pattern);
  } catch (thrown) {
    if (!(thrown instanceof PatternError)) throw thrown;
    throw parseError(`the pattern is not understood at its character ${thrown.at + 1}: ${thrown.message}`, node);
  }
}

function parseError(message: string, node: ASTNode): ParseError {
  return new ParseError({ code: 'invalid_condition', message, node });
}

/** The parts of the library's macro interface that are used; it has no types for them. */
interface MacroCall {
  readonly ast: ASTNode;
  readonly args: readonly ASTNode[];
  readonly receiver: ASTNode;
}

interface Checker {
  check(node: ASTNode, context: unknown): { readonly name: string };
  getType(name: string): unknown;
}

interface Evaluator {
  run(node: ASTNode, context: unknown): unknown;
}

/** A loop in a loop would cost the square of what a sender puts into an item. */
function refuseNestedLoops(node: ASTNode, isInLoop: boolean): void {
  if (node.op === 'rcall' && LOOPS.has(node.args[0])) {
    if (isInLoop) throw parseError(`${node.args[0]}() inside of another one`, node);
    refuseNestedLoops(node.args[1], isInLoop);
    for (const argument of node.args[2]) refuseNestedLoops(argument, true);
    return;
  }
  for (const child of childrenOf(node)) refuseNestedLoops(child, isInLoop);
}

/** The attribute keys that a condition names; undefined where it uses attributes in another way as well. */
function keysOf(root: ASTNode, variable: string): ReadonlySet<string> | undefined {
  const keys = new Set<string>();
  const visit = (node: ASTNode): boolean => {
    const key = keyOf(node, variable);
    if (key !== undefined) {
      keys.add(key);
      return true;
    }
    if (node.op === '.' && isVariable(node.args[0], variable)) return node.args[1] !== 'attributes';
    return !isVariable(node, variable) && childrenOf(node).every(visit);
  };
  return visit(root) ? keys : undefined;
}

/** `x.attributes["key"]`, `x.attributes.key` and `"key" in x.attributes`. */
function keyOf(node: ASTNode, variable: string): string | undefined {
  if (node.op === '.') return isAttributes(node.args[0], variable) ? node.args[1] : undefined;
  if (node.op !== '[]' && node.op !== 'in') return undefined;
  const [map, key] = node.op === '[]' ? node.args : [node.args[1], node.args[0]];
  if (!isAttributes(map, variable) || key.op !== 'value') return undefined;
  return typeof key.args === 'string' ? key.args : undefined;
}

/** `"name"` of a condition `x.name == "name" && …`. */
function nameOf(node: ASTNode, variable: string): string | undefined {
  if (node.op === '&&') return nameOf(node.args[0], variable) ?? nameOf(node.args[1], variable);
  if (node.op !== '==') return undefined;
  const [left, right] = node.args;
  const isName = left.op === '.' && left.args[1] === 'name' && isVariable(left.args[0], variable);
  return isName && right.op === 'value' && typeof right.args === 'string' ? right.args : undefined;
}

function isAttributes(node: ASTNode, variable: string): boolean {
  return node.op === '.' && node.args[1] === 'attributes' && isVariable(node.args[0], variable);
}

function isVariable(node: ASTNode, variable: string): boolean {
  return node.op === 'id' && node.args === variable;
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [node.args[0]];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'map':
      return node.args.flat();
    case '!_':
    case '-_':
      return [node.args];
    default:
      return node.args;
  }
}
