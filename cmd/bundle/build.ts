/**
 * Makes the bundle that `launch.js` prefers to the sources: `npm run build`. It holds all that the program imports, so
 * that a start reads some twenty files of plain JavaScript instead of five hundred, part of them TypeScript
 * (docs/decisions/0005-startup-and-memory.md).
 *
 * `dist/manifest.json` names the folder of the bundle and every file that went into it; the launcher compares.
 */
import { createHash } from 'node:crypto';
import { cpSync, globSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { bareBuiltins, sourceFiles, withoutTransports } from './plugins.ts';

const ROOT = join(import.meta.dirname, '../..');
const DIST = join(ROOT, 'dist');

/** What the outcome depends on beside what is bundled. */
const ALSO = ['cmd/bundle/build.ts', 'cmd/bundle/plugins.ts', 'tsconfig.json', 'node_modules/esbuild/package.json'];

/** How a file was when it was bundled. */
interface Input {
  /** From the root of the repository. */
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly sha256: string;
}

export interface Manifest {
  /** The folder of the bundle, in `dist/`. */
  readonly folder: string;
  readonly inputs: readonly Input[];
}

const startedMs = Date.now();
const entries = [
  'cmd/windback.ts',
  ...globSync('{cmd,pipeline,receivers,processors,exporters}/**/*{-,.}worker.ts', { cwd: ROOT }),
];
const building = join(DIST, `building-${process.pid}`);
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: entries.map((path) => ({ in: path, out: basename(path, '.ts') })),
  outdir: building,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  minify: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'linked',
  metafile: true,
  logLevel: 'warning',
  plugins: [sourceFiles(ROOT), bareBuiltins(), withoutTransports()],
  // For packages in CommonJS, which require what Node.js has built in.
  banner: { js: "const require = process.getBuiltinModule('module').createRequire(import.meta.url);" },
});
// So that Node.js need not find out, wherever the folder lies.
writeFileSync(join(building, 'package.json'), '{"type":"module"}\n');
cpSync(join(ROOT, 'proto'), join(building, 'proto'), { recursive: true, filter: (path) => !path.endsWith('.ts') });

const files = Object.keys(metafile.inputs).filter((path) => !path.includes(':'));
const inputs = [...new Set([...ALSO, ...files.toSorted()])].map((path) => inputOf(path));
const changed = inputs.find(({ mtimeMs }) => mtimeMs >= startedMs);
if (changed === undefined) {
  publish({ folder: folderOf(inputs), inputs });
} else {
  rmSync(building, { recursive: true });
  process.stderr.write(`${changed.path} changed while it was bundled; run npm run build again\n`);
  process.exitCode = 1;
}

function inputOf(path: string): Input {
  const { size: bytes, mtimeMs } = statSync(join(ROOT, path));
  return {
    path,
    bytes,
    mtimeMs,
    sha256: createHash('sha256')
      .update(readFileSync(join(ROOT, path)))
      .digest('hex'),
  };
}

/** Named after what is in it, so that a program that runs keeps its own when another is made. */
function folderOf(all: readonly Input[]): string {
  const hash = createHash('sha256');
  for (const { path, sha256 } of all) hash.update(`${path} ${sha256}\n`);
  return hash.digest('hex').slice(0, 12);
}

/** Puts the bundle in its place, then the manifest that makes it count, and removes all but the one before. */
function publish(manifest: Manifest): void {
  const place = join(DIST, manifest.folder);
  const before = readManifest()?.folder;
  rmSync(place, { recursive: true, force: true });
  renameSync(building, place);
  writeFileSync(join(DIST, 'manifest.json.new'), JSON.stringify(manifest));
  renameSync(join(DIST, 'manifest.json.new'), join(DIST, 'manifest.json'));
  const kept = new Set([manifest.folder, before, 'manifest.json']);
  for (const name of readdirSync(DIST)) {
    if (!kept.has(name)) rmSync(join(DIST, name), { recursive: true });
  }
  process.stderr.write(`dist/${manifest.folder}: written\n`);
}

function readManifest(): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(DIST, 'manifest.json'), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}
