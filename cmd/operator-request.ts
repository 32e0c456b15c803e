/** One request over HTTP, or over TLS, of which fetch could not be told whom to trust. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';

const TIMEOUT_MS = 10_000;

/** How the client checks its server and shows itself: contents of PEM files. */
export interface Shown {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface Sent {
  readonly method: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | undefined;
  /** How long the answer may take. */
  readonly timeoutMs?: number | undefined;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The answer, whatever it is: redirects are not followed. Rejects where there is none. */
export async function request(
  url: URL,
  { method, headers, body, timeoutMs = TIMEOUT_MS }: Sent,
  shown: Shown,
): Promise<Answer> {
  const { request: send } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    send(url, { method, headers, signal, agent: false, ...shown }, resolve)
      .on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : error))
      .end(body);
  });
  return { status: response.statusCode ?? 0, text: await text(response) };
}
