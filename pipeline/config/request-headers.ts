import { z } from 'zod';
import { secret } from './scalars.ts';

/** What is sent must be known at start: a value that cannot be sent would lose everything that it was to go with. */
const VALUE = /^[\x20-\x7e]*$/;

/** Headers that an exporter sends with every request, of which the names are like `name`; `what`: what these are called. */
export function requestHeaders(name: RegExp, what: string) {
  return z
    .record(z.string(), secret)
    .refine((headers) => Object.keys(headers).every((one) => name.test(one)), `want names of ${what}`)
    .refine((headers) => Object.values(headers).every((value) => VALUE.test(value)), 'want values of printable ASCII')
    .default({});
}
