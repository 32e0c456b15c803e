/** What esbuild does to files before they are bundled. */
import { readFileSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Our own sources.
 * - `import { z } from 'zod'` is a namespace inside a module, of which a bundler has to keep everything, locales
 *   included; `import * as z` says the same, and leaves out what is not used.
 * - The program of a worker thread, `new URL('./ingest-worker.ts', import.meta.url)`, is bundled beside `windback.js`.
 * - Any other use of `import.meta` means a place in the repository, or, for what is read below `proto/`, the copy of it.
 */
export function sourceFiles(root: string): Plugin {
  return {
    name: 'source-files',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes(`${sep}node_modules${sep}`)) return undefined;
        const place = relative(root, path).replaceAll(sep, '/');
        const at = `${place.startsWith('proto/') ? './' : '../../'}${place}`;
        const contents = readFileSync(path, 'utf8')
          .replaceAll("import { z } from 'zod';", "import * as z from 'zod';")
          .replaceAll(/new URL\('[^']*?([\w.-]*worker)\.ts', import\.meta\.url\)/g, "new URL('./$1.js', __here)")
          .replaceAll('import.meta.url', `new URL('${at}', __here).href`)
          .replaceAll(
            'import.meta.dirname',
            `process.getBuiltinModule('node:url').fileURLToPath(new URL('${dirname(at)}', __here))`,
          )
          .replaceAll('__here', 'import.meta.url');
        return { contents, loader: 'ts' };
      });
    },
  };
}

/**
 * What Node.js has built in, without the module record that `import` makes of it: to fill that in, Node.js reads every
 * export, also those that load something when they are read. `import 'node:http'` for one brings the whole of undici,
 * 10 MB and 30 ms.
 */
export function bareBuiltins(): Plugin {
  return {
    name: 'bare-builtins',
    setup(build) {
      build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
        kind === 'require-call' ? undefined : { path, namespace: 'builtin', sideEffects: false },
      );
      build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => {
        const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter((name) => name !== 'default');
        const lines = names.map(
          (name, i) => `const $${i} = /* @__PURE__ */ (() => builtin[${JSON.stringify(name)}])();`,
        );
        const exported = names.map((name, i) => `$${i} as ${JSON.stringify(name)}`);
        const contents = [
          `const builtin = process.getBuiltinModule(${JSON.stringify(path)});`,
          ...lines,
          `export { builtin as default, ${exported.join(', ')} };`,
        ].join('\n');
        return { contents, loader: 'js' };
      });
    },
  };
}

/** pino can hand its lines to a worker thread. Ours never does, but it would load what that takes. */
export function withoutTransports(): Plugin {
  return {
    name: 'without-transports',
    setup(build) {
      build.onResolve({ filter: /^thread-stream$/ }, ({ path }) => ({ path, namespace: 'left-out' }));
      build.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
        contents: `module.exports = class { constructor() { throw new Error('${path} is not in the bundle'); } };`,
      }));
    },
  };
}
