import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topFrame } from '../../../processors/health/top-frame.ts';

const trace = (...lines: string[]) => lines.join('\n');

describe('the top frame', () => {
  it.each<[string, string, string]>([
    ['Java', trace('java.lang.X: at it', '\tat com.acme.Pay.pay(Pay.java:42)', '\tat b'), 'com.acme.Pay.pay'],
    ['Java, a module', trace('X', '\tat java.base/java.util.Foo.bar(Foo.java:1)'), 'java.util.Foo.bar'],
    [
      'Java, a proxy',
      trace('X', '\tat com.acme.Pay$$EnhancerBySpringCGLIB$$1a2b.pay(<generated>)'),
      'com.acme.Pay.pay',
    ],
    ['Java, a lambda', trace('X', '\tat com.acme.Pay.lambda$pay$3(Pay.java:4)'), 'com.acme.Pay.lambda$pay'],
    ['Java, its class', trace('X', '\tat a.Pay$$Lambda$14/0x0000000800c8a840.run(Unknown Source)'), 'a.Pay.run'],
    ['Java, anonymous', trace('X', '\tat app//com.acme.Pay$1.run(P.java:3)'), 'com.acme.Pay.run'],
    ['Java, dynamic', trace('X', '\tat jdk.proxy2.$Proxy123.call(Unknown Source)'), 'jdk.proxy2.$Proxy.call'],
    ['V8', trace('Error: x', '    at Foo.bar [as baz] (/app/x.js:10:5)', '    at b (/y.js:1:1)'), 'Foo.bar'],
    ['V8, async', trace('E', '    at async pay (file:///x.js:1:2)'), 'pay'],
    ['V8, no name', trace('E', '    at /app/dist/x.js:1:2'), 'x.js'],
    ['V8, a bundle', trace('E', '    at https://cdn/main.4f3a2b1c.js:1:2'), 'main.<n>.js'],
    ['V8, new', trace('E', '    at new Foo (/x.js:1:1)'), 'new Foo'],
    ['.NET', trace('X: m', '   at Acme.Pay.<Do>d__5.MoveNext() in C:\\b.cs:line 4'), 'Acme.Pay.Do.MoveNext'],
    ['.NET, generic', trace('X', '   at Acme.List`1.Get[T](T x)'), 'Acme.List.Get'],
    [
      'Python',
      trace(
        'Traceback (most recent call last):',
        '  File "/app/a.py", line 1, in main',
        '    pay()',
        '  File "/app/b.py", line 22, in pay',
        '    raise ValueError("at x")',
        '    ^^^',
        'ValueError: q',
      ),
      'b.pay',
    ],
    [
      'Go',
      trace(
        'goroutine 1 [running]:',
        'go.opentelemetry.io/otel/sdk/trace.recordStackTrace()',
        '\t/go/x.go:1 +0x1',
        'main.(*Server).Pay(0xc000, {0x1, 0x2})',
        '\t/app/main.go:12 +0x1d',
      ),
      'main.(*Server).Pay',
    ],
    [
      'Go, a panic in a closure',
      trace('goroutine 5:', 'panic({0x1})', '\t/r/p.go:1', 'github.com/acme/pay.Do.func1.2()', '\t/p.go:3'),
      'pay.Do.func',
    ],
    ['Firefox', trace('pay@http://x/y.js:10:5', 'b@http://x/y.js:1:1'), 'pay'],
    ['no trace', 'something else', ''],
    ['nothing', '', ''],
  ])('%s', (_form, stacktrace, frame) => {
    expect(topFrame(stacktrace)).toBe(frame);
  });

  it('does not depend on line numbers, addresses and counters', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.constantFrom(0, 1, 2, 3, 4), (a, b, form) => {
        const of = (n: number) =>
          [
            trace('X', `\tat a.Foo$$Lambda$${n}/0x${n.toString(16)}.run(Foo.java:${n})`),
            trace('X', `\tat a.Foo.lambda$pay$${n}(Foo.java:${n})`),
            trace('E', `    at pay (/x.js:${n}:${n})`),
            trace('Traceback (most recent call last):', `  File "/b.py", line ${n}, in pay`, '    x', 'E: y'),
            trace('goroutine 1:', `main.Pay(0x${n.toString(16)})`, `\t/main.go:${n} +0x${n.toString(16)}`),
          ][form] as string;
        expect(topFrame(of(a))).toBe(topFrame(of(b)));
        expect(topFrame(of(a))).not.toBe('');
      }),
    );
  });

  it('is found in, or missing from, anything', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        const frame = topFrame(`at ${text}\n${text}`);
        expect(frame.length).toBeLessThanOrEqual(150);
        expect(frame.isWellFormed()).toBe(true);
      }),
    );
    for (const seed of ['at ', '@', 'at [', 'at a.', 'at <a', 'at $$', '\tx.go:1\n', 'File "'])
      topFrame(seed.repeat(50_000));
  });
});
