/** How commands ask a running Windback. */
import { ConfigError, type Position, type Problem } from '../pipeline/config/report.ts';
import { ERRORS, type ErrorCode, PipelineError } from '../pipeline/errors.ts';
import { clean } from '../proto/windback/explain-words.ts';
import { usage } from './args.ts';
import type { Args, Io, OptionSpecs } from './command.ts';
import { type Answer, request, type Shown } from './operator-request.ts';

const DEFAULT_ADDRESS = 'localhost:8888';
const DEFAULT_ENDPOINT = `http://${DEFAULT_ADDRESS}`;
const TOKEN_VARIABLE = 'WINDBACK_ADMIN_TOKEN';

export const API_OPTIONS = {
  endpoint: {
    type: 'string',
    value: 'URL',
    description: `Where a Windback serves its metrics and its API; ${DEFAULT_ENDPOINT} unless given.`,
  },
  component: {
    type: 'string',
    value: 'ID',
    description: 'Which judge is asked, such as verdict/eu, where there are several.',
  },
  'ca-file': {
    type: 'string',
    value: 'FILE',
    description: "Certificates (PEM) to trust instead of the system's, where the endpoint has TLS.",
  },
  'cert-file': {
    type: 'string',
    value: 'FILE',
    description: 'The certificate (PEM) to show, where the endpoint asks for one; goes with --key-file.',
  },
  'key-file': { type: 'string', value: 'FILE', description: 'The private key (PEM) of --cert-file.' },
} as const satisfies OptionSpecs;

/** For the help of commands that change something. */
export const TOKEN_HELP = `Where service.telemetry.admin.token is configured, it is read from ${TOKEN_VARIABLE}.`;

export interface Question {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** With a leading slash; its parts are encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** How long the answer may take, ms. */
  readonly timeoutMs?: number;
}

/** What a Windback answers to one question, as text. Throws what it said, or `api_unreachable`. */
export async function ask(args: Args, { env }: Io, question: Question): Promise<string> {
  const { method = 'GET', path, query = {}, body, timeoutMs } = question;
  const url = new URL(path, endpointOf(args));
  for (const [name, value] of Object.entries({ ...query, component: args.text('component') })) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const token = env[TOKEN_VARIABLE];
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined || token === '' || method === 'GET' ? {} : { authorization: `Bearer ${token}` }),
  };
  const answer = await send(
    url,
    { method, headers, body: body === undefined ? undefined : JSON.stringify(body), timeoutMs },
    await shownBy(args),
  );
  if (answer.status >= 200 && answer.status < 300) return answer.text;
  throw refusal(url, answer);
}

async function send(url: URL, question: Parameters<typeof request>[1], shown: Shown): Promise<Answer> {
  try {
    return await request(url, question, shown);
  } catch (thrown) {
    throw new PipelineError('api_unreachable', `${url.origin}: ${(thrown as Error).message}`, { cause: thrown });
  }
}

const FILES = ['ca-file', 'cert-file', 'key-file'] as const;

/** What the files of the command line hold. Rejects with `file_unreadable`. */
async function shownBy(args: Args): Promise<Shown> {
  const { WatchedFiles } = await import('../pipeline/watched-files.ts');
  const files = await new WatchedFiles(Object.fromEntries(FILES.map((name) => [`--${name}`, args.text(name)]))).read();
  const [ca, cert, key] = FILES.map((name) => files.get(`--${name}`));
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

/** What the server refused with, as if it had been thrown here. */
function refusal({ origin }: URL, { status, text }: Answer): PipelineError {
  const said = objectOf(text);
  const { code, message } = said ?? {};
  if (typeof code !== 'string' || typeof message !== 'string' || !Object.hasOwn(ERRORS, code)) {
    return new PipelineError('api_unreachable', `${origin} answered ${status}, and not as a Windback with an API does`);
  }
  const known = code as ErrorCode;
  if (known === 'config' && Array.isArray(said?.problems)) return new ConfigError(said.problems.map(problemOf));
  return new PipelineError(known, clean(message.replace(`${ERRORS[known].what}: `, '')));
}

function problemOf(said: unknown): Problem {
  const { at, path, what, todo } = (said ?? {}) as Partial<Record<keyof Problem, unknown>>;
  const text = (value: unknown) => clean(String(value ?? ''));
  const { file, line, column } = (at ?? {}) as Partial<Record<keyof Position, unknown>>;
  const position = { file: text(file), line: Number(line), column: Number(column) };
  return { at: at === undefined ? undefined : position, path: text(path), what: text(what), todo: text(todo) };
}

/** The object that an answer is. Throws `api_unreachable` where it is none: somebody else answers there. */
export function answered(text: string): Readonly<Record<string, unknown>> {
  const found = objectOf(text);
  if (found === undefined) throw new PipelineError('api_unreachable', 'the answer is not JSON');
  return found;
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function endpointOf(args: Args): URL {
  const given = args.text('endpoint') ?? DEFAULT_ADDRESS;
  const file = FILES.find((name) => args.text(name) !== undefined);
  if ((args.text('cert-file') === undefined) !== (args.text('key-file') === undefined))
    throw usage('--cert-file and --key-file go together');
  const text = /^https?:\/\//.test(given) ? given : `${file === undefined ? 'http' : 'https'}://${given}`;
  if (!URL.canParse(text)) throw usage(`--endpoint ${given} is no address; give one such as ${DEFAULT_ENDPOINT}`);
  const url = new URL(text);
  if (file !== undefined && url.protocol === 'http:')
    throw usage(`--${file} is of use with TLS only; give --endpoint https://${url.host}`);
  return url;
}
