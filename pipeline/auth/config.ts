/** The configuration of authenticators. Apart from what does the work, which is loaded only where it is configured. */
import { z } from 'zod';
import { duration, secret } from '../config/scalars.ts';

const reloadInterval = duration
  .refine((ms) => ms > 0, 'want more than 0')
  .prefault('1m')
  .describe('How often the file is looked at.');

/** `bearertokenauth`, with the Collector's keys. */
export const bearerTokenAuthConfig = z
  .strictObject({
    scheme: z.string().default('Bearer').describe('What stands in front of the token; may be empty.'),
    header: z.string().min(1).default('Authorization').describe('The header that carries it.'),
    token: secret
      .optional()
      .describe('The token that lets a client in. Better from a variable, `${env:TOKEN}`, or a file.'),
    tokens: z.array(secret).default([]).describe('Several tokens, any of which does: the new one and the old one.'),
    filename: z
      .string()
      .optional()
      .describe('A file of tokens, one a line, instead of token and tokens; read again when it changes.'),
    reload_interval: reloadInterval,
  })
  .refine(
    ({ token, tokens, filename }) => token !== undefined || tokens.length > 0 || filename !== undefined,
    'want token, tokens or filename',
  )
  .refine(({ token = 'x', tokens }) => token !== '' && !tokens.includes(''), 'want tokens that are not empty');

export type BearerTokenAuthConfig = z.output<typeof bearerTokenAuthConfig>;

/** `basicauth`, with the Collector's keys for servers. */
export const basicAuthConfig = z.strictObject({
  htpasswd: z
    .strictObject({
      file: z.string().optional().describe('A file of users as `htpasswd -B` writes it; read again when it changes.'),
      inline: secret
        .superRefine((text, context) => {
          const problem = usersProblem(text);
          if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
        })
        .optional()
        .describe('The same as text, one `user:password` a line; it goes before the file.'),
    })
    .refine(({ file, inline }) => file !== undefined || inline !== undefined, 'want file, inline or both')
    .describe('Who may send. Passwords as bcrypt, as {SHA}, or plain.'),
  reload_interval: reloadInterval,
});

/** Why a text of `user:password` lines is none; undefined where it is one. Says no line: it has a password in it. */
export function usersProblem(text: string): string | undefined {
  for (const [line, user, password] of userLines(text)) {
    if (user === '' || password === '') return `want user:password; line ${line} is not`;
    if (/^\$(apr1|1|5|6)\$/.test(password))
      return `want passwords by htpasswd -B; that of line ${line} is by another way`;
  }
  return undefined;
}

/** Number, user and password of each line that is no comment; both empty where there is no colon. */
export function userLines(text: string): [line: number, user: string, password: string][] {
  return text.split('\n').flatMap((raw, i): [number, string, string][] => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const colon = line.indexOf(':');
    return [[i + 1, line.slice(0, Math.max(colon, 0)), colon < 0 ? '' : line.slice(colon + 1)]];
  });
}

export type BasicAuthConfig = z.output<typeof basicAuthConfig>;

/** An extension that is one, as configured. */
export type AuthExtension =
  | { readonly id: string; readonly type: 'bearertokenauth'; readonly config: BearerTokenAuthConfig }
  | { readonly id: string; readonly type: 'basicauth'; readonly config: BasicAuthConfig };

/** How a receiver names one. */
export const authConfig = z
  .strictObject({
    authenticator: z
      .string()
      .min(1)
      .describe('The id of an extension, bearertokenauth or basicauth, that tells who may send.'),
  })
  .describe('Who may send. Without it everybody may who can connect.');

export type AuthConfig = z.output<typeof authConfig>;
