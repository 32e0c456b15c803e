/** Takes orders. Version 1.4.2 lets customers pay with gift cards' remaining balance, and breaks for new cards. */
import { SpanKind } from '@opentelemetry/api';
import type { Reply, Request } from './http-server.ts';
import { run, work } from './run.ts';
import type { Telemetry } from './telemetry.ts';

interface Order {
  readonly total: number;
  readonly giftCard?: { readonly number: string; readonly balance?: { readonly amount: number } };
}

/** The share of payments that the provider does not answer, whatever the version: no service is perfect. */
const PROVIDER_FAILURES = 0.001;

await run('checkout', ({ version }, telemetry) => {
  const priceOf = version === '1.4.2' ? priceWithGiftCard : price;
  const orders = telemetry.meter.createCounter('shop.orders', { description: 'Orders taken.' });
  return [
    {
      method: 'POST',
      route: '/checkout',
      handle: async ({ body }: Request): Promise<Reply> => {
        await work(10);
        const amount = priceOf(body as Order);
        if (!(await pay(amount, telemetry))) return { status: 503, body: { error: 'the payment provider is silent' } };
        orders.add(1);
        return { status: 201, body: { paid: amount } };
      },
    },
  ];
});

/** 1.4.1: the card is charged when the parcel leaves. */
function price({ total }: Order): number {
  return total;
}

/** 1.4.2: the bug. A gift card has no balance until it is used for the first time. */
function priceWithGiftCard({ total, giftCard }: Order): number {
  if (giftCard === undefined) return total;
  const { amount } = giftCard.balance as { amount: number };
  return Math.max(0, total - amount);
}

/** Calls the payment provider: a client span below the request's own. */
function pay(amount: number, { tracer }: Telemetry): Promise<boolean> {
  return tracer.startActiveSpan(
    'POST',
    { kind: SpanKind.CLIENT, attributes: { 'order.total': amount } },
    async (span) => {
      await work(15);
      const isAnswered = Math.random() >= PROVIDER_FAILURES;
      if (!isAnswered) span.setAttribute('error.type', 'timeout');
      span.end();
      return isAnswered;
    },
  );
}
