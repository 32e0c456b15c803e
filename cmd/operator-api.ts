/** How commands ask a running Windback. */
import { ERRORS, type ErrorCode, PipelineError } from '../pipeline/errors.ts';
import { clean } from '../proto/windback/explain-words.ts';
import { usage } from './args.ts';
import type { Args, Io, OptionSpecs } from './command.ts';

const DEFAULT_ENDPOINT = 'http://localhost:8888';
const TOKEN_VARIABLE = 'WINDBACK_ADMIN_TOKEN';
const TIMEOUT_MS = 10_000;

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
} as const satisfies OptionSpecs;

/** For the help of commands that change something. */
export const TOKEN_HELP = `Where service.telemetry.admin.token is configured, it is read from ${TOKEN_VARIABLE}.`;

export interface Question {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** With a leading slash; its parts are encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}

/** What a Windback answers to one question, as text. Throws what it said, or `api_unreachable`. */
export async function ask(args: Args, { env }: Io, question: Question): Promise<string> {
  const { method = 'GET', path, query = {}, body } = question;
  const url = new URL(path, endpointOf(args));
  for (const [name, value] of Object.entries({ ...query, component: args.text('component') })) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const token = env[TOKEN_VARIABLE];
  const answer = await send(url, {
    method,
    redirect: 'error',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined || token === '' || method === 'GET' ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.isOk) return answer.text;
  throw refusal(url, answer);
}

interface Answer {
  readonly isOk: boolean;
  readonly status: number;
  readonly text: string;
}

async function send(url: URL, init: RequestInit): Promise<Answer> {
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { isOk: answer.ok, status: answer.status, text: await answer.text() };
  } catch (thrown) {
    const { message, cause } = thrown as Error;
    const why = cause instanceof Error && cause.message !== '' ? cause.message : message;
    throw new PipelineError('api_unreachable', `${url.origin}: ${why}`, { cause: thrown });
  }
}

/** What the server refused with, as if it had been thrown here. */
function refusal({ origin }: URL, { status, text }: Answer): PipelineError {
  const said = objectOf(text);
  const { code, message } = said ?? {};
  if (typeof code !== 'string' || typeof message !== 'string' || !Object.hasOwn(ERRORS, code)) {
    return new PipelineError('api_unreachable', `${origin} answered ${status}, and not as a Windback with an API does`);
  }
  const known = code as ErrorCode;
  return new PipelineError(known, clean(message.replace(`${ERRORS[known].what}: `, '')));
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
  const given = args.text('endpoint') ?? DEFAULT_ENDPOINT;
  const text = /^https?:\/\//.test(given) ? given : `http://${given}`;
  if (!URL.canParse(text)) throw usage(`--endpoint ${given} is no address; give one such as ${DEFAULT_ENDPOINT}`);
  return new URL(text);
}
