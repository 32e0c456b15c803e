/** A foreign program that tests need: its path, or why it is not there. */
export type Tool = { readonly path: string } | { readonly missing: string };

declare module 'vitest' {
  export interface ProvidedContext {
    /** The interpreter of an environment that has the OpenTelemetry SDK. */
    readonly python: Tool;
    readonly telemetrygen: Tool;
    readonly h2spec: Tool;
  }
}

/** Set to 1 where every toolchain has to be there, so that a missing one fails the tests. */
const REQUIRED = process.env.WINDBACK_INTEROP_REQUIRED === '1';

/** Whether the tests with this tool are left out. */
export function isLeftOut(tool: Tool): boolean {
  return 'missing' in tool && !REQUIRED;
}

/** Throws where the tool is missing. */
export function pathOf(tool: Tool): string {
  if ('missing' in tool) throw new Error(tool.missing);
  return tool.path;
}

/** What a foreign client sees of the environment: no proxy on the way, and no settings of this machine. */
export function foreignEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? '', NO_PROXY: '127.0.0.1', PYTHONDONTWRITEBYTECODE: '1', ...env };
}
