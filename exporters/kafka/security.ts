import { readFile } from 'node:fs/promises';
import type { SASLOptions } from 'kafkajs';
import { z } from 'zod';
import { secret } from '../../pipeline/config/scalars.ts';
import { PipelineError } from '../../pipeline/errors.ts';

const oauth2Config = z
  .strictObject({
    token_url: z
      .url({ protocol: /^https?$/ })
      .refine(
        (text) => !/^https?:\/\/[^/]*@/.test(text),
        'want no user or password in the URL; there are client_id and client_secret',
      )
      .describe('Where tokens are given out (RFC 6749, 4.4: client credentials).'),
    client_id: z.string().min(1).describe('The name of this client there.'),
    client_secret: secret.describe('Its secret.'),
    scopes: z.array(z.string().min(1)).default([]).describe('What the token is for.'),
  })
  .describe('Tokens from an OAuth 2.0 server, asked for whenever a connection is made.');

const saslConfig = z
  .strictObject({
    mechanism: z
      .enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'])
      .describe('How we say who we are, as the brokers want it.'),
    username: z.string().min(1).optional().describe('The name; for PLAIN and SCRAM.'),
    password: secret.optional().describe('The password; for PLAIN and SCRAM.'),
    token_file: z
      .string()
      .optional()
      .describe('For OAUTHBEARER: a file with the token, read whenever a connection is made.'),
    oauth2: oauth2Config.optional(),
  })
  .refine(
    ({ mechanism, username, password }) =>
      mechanism === 'OAUTHBEARER' || (username !== undefined && password !== undefined),
    'want username and password for this mechanism',
  )
  .refine(
    ({ mechanism, token_file, oauth2 }) =>
      (mechanism === 'OAUTHBEARER') === ((token_file === undefined) !== (oauth2 === undefined)),
    'want token_file or oauth2, one of them, for OAUTHBEARER and for nothing else',
  )
  .describe('SASL. Over a connection without TLS, PLAIN shows the password to the network.');

export const authConfig = z
  .strictObject({ sasl: saslConfig.optional() })
  .prefault({})
  .describe('Who we are to the brokers.');

type SaslConfig = z.output<typeof saslConfig>;
type OAuth2Config = z.output<typeof oauth2Config>;

/** Longest that a server of tokens may take, ms. */
const TOKEN_TIMEOUT_MS = 5000;
/** More than this is no answer with a token. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** What kafkajs takes. */
export function saslOptions({ mechanism, username = '', password = '', token_file, oauth2 }: SaslConfig): SASLOptions {
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism: 'plain', username, password };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', username, password };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', username, password };
    case 'OAUTHBEARER':
      return {
        mechanism: 'oauthbearer',
        oauthBearerProvider: async () => ({
          value: oauth2 === undefined ? await tokenIn(token_file as string) : await tokenFrom(oauth2),
        }),
      };
  }
}

async function tokenIn(path: string): Promise<string> {
  const token = await readFile(path, 'utf8').catch((error: Error) => {
    throw new PipelineError('file_unreadable', `${path} (auth.sasl.token_file): ${error.message}`, { cause: error });
  });
  return token.trim();
}

async function tokenFrom({ token_url, client_id, client_secret, scopes }: OAuth2Config): Promise<string> {
  const credentials = [client_id, client_secret].map(encodeURIComponent).join(':');
  const scope: Record<string, string> = scopes.length === 0 ? {} : { scope: scopes.join(' ') };
  try {
    const response = await fetch(token_url, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...scope }),
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    const { access_token: token } = JSON.parse(await textOf(response)) as { access_token?: unknown };
    if (typeof token !== 'string' || token === '') throw new Error('its answer has no access_token');
    return token;
  } catch (error) {
    throw new PipelineError('unreachable', `${token_url} (auth.sasl.oauth2): ${(error as Error).message}`);
  }
}

async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > ANSWER_BYTES_MAX) throw new Error('its answer is too long for one with a token');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
