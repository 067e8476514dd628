import { createServer } from "node:net";

export interface NodePorts {
  readonly http: number;
  readonly peer: number;
  readonly admin: number;
}

const HOST = "127.0.0.1";
const FIRST: NodePorts = { http: 3080, peer: 7000, admin: 3090 };
const STEP = 100;

/**
 * The ports of the node with this index: 3080, 7000 and 3090 for the first, 100 more for each next;
 * any free port in place of one that is taken. `wellKnown: false` takes any free ports from the start.
 */
export async function choosePorts(index: number, wellKnown: boolean): Promise<NodePorts> {
  const choose = async (first: number): Promise<number> => {
    const port = first + STEP * index;
    return wellKnown && port < 65536 && (await isFree(port)) ? port : await freePort();
  };
  return { http: await choose(FIRST.http), peer: await choose(FIRST.peer), admin: await choose(FIRST.admin) };
}

export async function areFree(ports: NodePorts): Promise<boolean> {
  const free = await Promise.all([isFree(ports.http), isFree(ports.peer), isFree(ports.admin)]);
  return free.every(Boolean);
}

async function isFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined;
}

async function freePort(): Promise<number> {
  const port = await tryListen(0);
  if (port === undefined) throw new Error(`no free port on ${HOST}`);
  return port;
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: HOST, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === "object" && address ? address.port : undefined;
      server.close(() => resolve(taken));
    });
  });
}
