/**
 * Where an exception was thrown: the innermost frame of a stack trace as Java, JavaScript, .NET, Python and Go print
 * them, without what changes from build to build or run to run. A pure function of the text.
 */

import { mask } from './mask.ts';

/** How much of a stack trace is looked at, at its head and, for Python, at its tail; UTF-16 units. */
const HEAD = 4000;
const TAIL = 2000;
/** Lines of the head, likewise: shorter ones than frames are would only cost time. */
const LINES = 200;
/** Of a longer name the beginning is tidied. */
const NAME_LENGTH = 400;
const FRAME_LENGTH = 150;

/** Function or class.method of the top frame; empty where the trace is of no known form. */
export function topFrame(stacktrace: string): string {
  const lines = stacktrace.slice(0, HEAD).split('\n', LINES);
  const frame = stacktrace.includes('Traceback (most recent call last)')
    ? pythonFrame(stacktrace.slice(-TAIL).split('\n'))
    : (atFrame(lines) ?? goFrame(lines) ?? geckoFrame(lines) ?? pythonFrame(lines));
  return (frame ?? '').slice(0, FRAME_LENGTH).toWellFormed();
}

/** Java, JavaScript (V8) and .NET: `at NAME(PLACE)`, the innermost first. */
function atFrame(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const trimmed = line.trim();
    if (!trimmed.startsWith('at ')) continue;
    const called = trimmed.slice(3).replace(/^async /, '');
    const paren = called.indexOf('(');
    const name = paren === -1 ? placeName(called) : called.slice(0, paren).trim();
    if (name !== '') return tidied(name.slice(0, NAME_LENGTH));
  }
  return undefined;
}

/** An anonymous function has nothing but its place: the file's name stands for it, without a bundler's hash. */
function placeName(place: string): string {
  const path = place.replace(/(?::\d+){1,2}$/, '');
  return mask(path.slice(path.lastIndexOf('/') + 1).slice(0, NAME_LENGTH));
}

/** Without module and loader, counters of lambdas, proxies and anonymous classes, and the compiler's own decorations. */
function tidied(name: string): string {
  return (
    name
      // Java: `app//com.acme.Foo.bar`, `java.base/java.util.List.get`.
      .replace(/^[\w.@-]{0,60}\/{1,2}(?=[\w$.]+$)/, '')
      // Java: `Foo$$EnhancerBySpringCGLIB$$1a2b.pay`, `Foo$$Lambda$14/0x0000.run`, `lambda$pay$0`, `$Proxy12`, `Foo$1`.
      .replace(/\$\$[^.]*/, '')
      .replaceAll(/\$\d+/g, '')
      .replace(/(Proxy|Accessor)\d+/, '$1')
      .replace(/0x[0-9a-f]+/i, '')
      // .NET: `Foo.<Pay>d__5.MoveNext`, `Foo.<>c__DisplayClass3_0.<Pay>b__0`, `List`1[T].Add`.
      .replaceAll(/<(\w*)>([a-z])__\w+/g, (_, method: string, kind: string) => (method === '' ? kind : method))
      .replaceAll(/`\d+/g, '')
      .replaceAll(/\[[^\]]*\]/g, '')
      .trim()
  );
}

/** Python: the innermost last, as `File "PLACE", line N, in NAME`. */
function pythonFrame(lines: readonly string[]): string | undefined {
  for (const line of lines.toReversed()) {
    const trimmed = line.trim();
    if (!trimmed.startsWith('File "')) continue;
    const close = trimmed.indexOf('"', 6);
    const called = trimmed.indexOf(', in ', close);
    if (close === -1 || called === -1) continue;
    const file = trimmed.slice(6, close);
    const module = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1).replace(/\.pyc?$/, '');
    return `${module}.${trimmed.slice(called + 5)}`;
  }
  return undefined;
}

/** What stands above the frame that matters: the recording of the trace itself, and the runtime's panic. */
const GO_MACHINERY = /^(?:go\.opentelemetry\.io\/|runtime[./]|runtime\/debug\.|panic\()/;

/** Go: a line `package.Func(arguments)`, then one with tab and place. */
function goFrame(lines: readonly string[]): string | undefined {
  for (let i = 1; i < lines.length; i++) {
    if (!/^\t\S.*\.go:\d/.test(lines[i] as string)) continue;
    const called = (lines[i - 1] as string).trim().replace(/^created by /, '');
    if (GO_MACHINERY.test(called)) continue;
    const paren = called.endsWith(')') ? called.lastIndexOf('(') : -1;
    const name = paren > 0 ? called.slice(0, paren) : called.replace(/ in goroutine \d+$/, '');
    return name.slice(name.lastIndexOf('/') + 1).replaceAll(/\.func\d+(?:\.\d+)*/g, '.func');
  }
  return undefined;
}

/** JavaScript of Firefox and Safari: `NAME@PLACE`. */
function geckoFrame(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const [, name, place] = /^([^@\s]{0,100})@(\S{1,500}):\d+:\d+$/.exec(line.trim()) ?? [];
    if (place !== undefined) return name === undefined || name === '' ? placeName(place) : name.replace(/[/<]+$/, '');
  }
  return undefined;
}
