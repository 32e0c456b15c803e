/** What the shop sells. Version 2.1.0 names the currency, and is as good as 2.0.3. */
import type { Reply, Request } from './http-server.ts';
import { run, work } from './run.ts';

const PRODUCTS = new Map([
  ['window', { name: 'Window, sliding', price: 249 }],
  ['winch', { name: 'Winch, hand-driven', price: 89 }],
  ['clock', { name: 'Clock that can be set back', price: 39 }],
  ['rope', { name: 'Rope, 20 m', price: 19 }],
]);

await run('catalog', ({ version }) => {
  const hasCurrency = version !== '2.0.3';
  const show = (id: string) => ({ id, ...PRODUCTS.get(id), ...(hasCurrency ? { currency: 'EUR' } : {}) });
  return [
    {
      method: 'GET',
      route: '/products',
      handle: async (): Promise<Reply> => {
        await work(12);
        return { status: 200, body: [...PRODUCTS.keys()].map(show) };
      },
    },
    {
      method: 'GET',
      route: '/products/{id}',
      handle: async ({ id }: Request): Promise<Reply> => {
        await work(6);
        return PRODUCTS.has(id) ? { status: 200, body: show(id) } : { status: 404, body: { error: 'no such product' } };
      },
    },
  ];
});
