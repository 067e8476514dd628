/**
 * One address in front of several servers, as a Service of Kubernetes is: each new connection leads to one of them, in
 * turn, and stays with it. A server that is cut off says nothing over any connection, and none is told to end.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** One connection of a client, and the one to the server that it leads to. */
interface Pair {
  readonly port: number;
  readonly client: Socket;
  readonly server: Socket;
  /** What was said while the server was cut off, to be said when it is not any more: as TCP sends it again. */
  readonly held: (() => void)[];
}

export class ServiceAddress {
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  readonly #sockets = new Set<Socket>();
  readonly #cut = new Set<number>();
  #ports: readonly number[];
  #next = 0;

  /** @param ports of the servers, at 127.0.0.1 */
  static async start(ports: readonly number[]): Promise<ServiceAddress> {
    const service = new ServiceAddress(ports);
    await new Promise<void>((resolve) => service.#listener.listen(0, "127.0.0.1", resolve));
    return service;
  }

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#listener = createServer((client) => this.#take(client));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** New connections lead to these from now on. */
  leadTo(ports: readonly number[]): void {
    this.#ports = ports;
  }

  /** Connections of clients that are open and lead to the server at the port. */
  connectionsTo(port: number): number {
    return [...this.#pairs].filter((pair) => pair.port === port && !pair.client.destroyed).length;
  }

  cut(port: number): void {
    this.#cut.add(port);
  }

  heal(port: number): void {
    this.#cut.delete(port);
    for (const { port: of, held } of this.#pairs) if (of === port) for (const say of held.splice(0)) say();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #take(client: Socket): void {
    const port = this.#ports[this.#next % this.#ports.length]!;
    this.#next += 1;
    const server = connect(port, "127.0.0.1");
    const pair: Pair = { port, client, server, held: [] };
    this.#pairs.add(pair);
    this.#lead(pair, client, server);
    this.#lead(pair, server, client);
  }

  #lead(pair: Pair, from: Socket, to: Socket): void {
    this.#sockets.add(from);
    const pass = (say: () => void): void => {
      if (this.#cut.has(pair.port)) pair.held.push(say);
      else say();
    };
    from.on("data", (bytes) => pass(() => to.write(bytes)));
    from.on("error", () => undefined);
    from.once("close", () => {
      this.#sockets.delete(from);
      if (from === pair.client) this.#pairs.delete(pair);
      pass(() => to.destroy());
    });
  }
}
