// Checked by the compiler and never run: what must type, and what must not.
import { connect, MeshClient, type Subscription } from '../../host/http/assets/client/client';

interface Api {
  calc: { add(a: number, b: number): number; echo(value: string): string };
}

export async function typed(): Promise<void> {
  const mesh = await connect<Api>({ url: 'http://127.0.0.1:55000', username: 'ada', password: 'lovelace' });
  const sum: number = await mesh.components.calc.add(1, 2);
  // @ts-expect-error a text is not a number
  await mesh.components.calc.add('1', sum);
  // @ts-expect-error there is no such method
  await mesh.components.calc.nope();
  const listening: Subscription = await mesh.on<{ n: number }>('emitter', 'key/*', { version: '^2.0.0' }, (data, meta) => {
    const both: string = meta.path + data.n.toFixed();
    return both;
  });
  await listening.off();
  mesh.addEventListener('disconnected', ({ detail }) => { const again: boolean = detail.reconnecting; return again; });
  const found = await mesh.data.get<{ n: number }>('/a');
  // @ts-expect-error there may be none
  found.n.toFixed();
  // @ts-expect-error no such option
  await mesh.call('calc', 'add', [1, 2], { versions: '^1.0.0' });
}

export async function untyped(): Promise<void> {
  const mesh = await connect();
  await mesh.components.calc.add(1, 2);
  const client = new MeshClient({ hostname: '127.0.0.1', port: 55000 });
  await client.login({ username: 'ada', password: 'lovelace' });
  client.exchange.calc.add(1, 2, (error: Error | null, sum: number) => [error, sum]);
}
