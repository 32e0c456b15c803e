import { z } from 'zod';
import { secret } from '../../pipeline/config/scalars.ts';
import { Pattern, PatternSet } from '../../pipeline/pattern/pattern.ts';
import { PatternError } from '../../pipeline/pattern/syntax.ts';

const PATTERNS_MAX = 100;

const pattern = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    const message = problemOf(source);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const patterns = z.array(pattern).max(PATTERNS_MAX).default([]);
const keys = z.array(z.string().min(1)).default([]);

/** The shortest key of each, as the Collector wants it: as long as what it gives. */
const HMAC_KEY_BYTES = { 'hmac-sha256': 32, 'hmac-sha512': 64 } as const;

export const redactionConfig = z
  .strictObject({
    allow_all_keys: z
      .boolean()
      .default(false)
      .describe('Whether attributes of every key are kept. Without it, only those of `allowed_keys` are.'),
    allowed_keys: keys.describe(
      'Keys of attributes that are kept, in maps too; all others are removed. Where it is empty, and `allow_all_keys` is not set, that is all of them.',
    ),
    ignored_keys: keys.describe('Keys whose attributes pass as they are, before everything else is looked at.'),
    ignored_key_patterns: patterns.describe('Regular expressions for such keys; found anywhere in a key.'),
    blocked_key_patterns: patterns.describe(
      'Regular expressions for keys whose values are masked altogether, whatever their type; found anywhere in a key.',
    ),
    blocked_values: patterns.describe(
      'Regular expressions for what is masked in values, bodies, names and messages: each match, wherever it is.',
    ),
    allowed_values: patterns.describe(
      'Regular expressions for values that stay as they are, though blocked. Found anywhere in a value, it saves all of it: write `^` and `$`.',
    ),
    redact_all_types: z
      .boolean()
      .default(false)
      .describe(
        'Whether numbers, truths and bytes in attributes are read as text, too. In bodies of logs they always are.',
      ),
    hash_function: z
      .enum(['md5', 'sha1', 'sha256', 'sha3', 'hmac-sha256', 'hmac-sha512'])
      .optional()
      .describe(
        'What a mask is: without it `****`; else the hash of what is masked, in hexadecimal, so that equal values stay equal. Whoever can guess a value can find it by a hash without key.',
      ),
    hmac_key: secret
      .optional()
      .describe('The key of `hmac-sha256` (32 bytes or more) and `hmac-sha512` (64 bytes or more).'),
    summary: z
      .enum(['debug', 'info', 'silent'])
      .default('silent')
      .describe(
        'Whether attributes `redaction.*` tell how many keys were removed and masked (`info`), and which (`debug`).',
      ),
  })
  .superRefine(({ hash_function: name, hmac_key: key }, context) => {
    const least = name === 'hmac-sha256' || name === 'hmac-sha512' ? HMAC_KEY_BYTES[name] : undefined;
    if (least === undefined && key !== undefined) {
      context.addIssue({ code: 'custom', path: ['hmac_key'], message: 'is for hmac-sha256 and hmac-sha512 only' });
    }
    if (least !== undefined && Buffer.byteLength(key ?? '') < least) {
      context.addIssue({ code: 'custom', path: ['hmac_key'], message: `want at least ${least} bytes for ${name}` });
    }
  });

export type RedactionConfig = z.output<typeof redactionConfig>;

function problemOf(source: string): string | undefined {
  try {
    void new PatternSet([source]);
    void new Pattern(source);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof PatternError)) throw thrown;
    return `the pattern is not understood at its character ${thrown.at + 1}: ${thrown.message}`;
  }
}
