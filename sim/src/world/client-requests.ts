/**
 * What a client's request goes through: the network, a node's coordinator, and back. The places of HTTP: no
 * connection, a connection that breaks, a problem, or an answer.
 */
import { Problem } from "@prism/api/problem-code";
import { Cancellation, type CancelSignal } from "@prism/dataplane/services/cancellation";
import { Deadline } from "@prism/dataplane/services/deadline";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { WorldLoop } from "../runtime/world-loop.js";
import type { Machine } from "./machine.js";
import type { Network } from "./network.js";
import type { NodeProcess } from "./node-process.js";
import type { Ask, AttemptEnd } from "./sim-client.js";

export const COLLECTION = "docs";
const CLIENT_HOST = "client";
const CONNECT_TIMEOUT_MS = 2000;
/** Nodes are given less time than clients wait, so that their word of it arrives. */
const TIME_SHARE = 0.9;

export class ClientRequests {
  readonly #loop: WorldLoop;
  readonly #network: Network;
  readonly #machines: ReadonlyMap<string, Machine>;

  constructor(loop: WorldLoop, network: Network, machines: ReadonlyMap<string, Machine>) {
    this.#loop = loop;
    this.#network = network;
    this.#machines = machines;
  }

  attempt(client: VirtualProcess, ask: Ask, name: string, timeoutMs: number): Promise<AttemptEnd> {
    const [loop, network] = [this.#loop, this.#network];
    return new Promise((resolve) => {
      const cancellation = new Cancellation();
      const timer = client.setTimeout(() => {
        resolve({ kind: "lost" });
        const process = this.#machines.get(name)?.process;
        if (process !== undefined)
          loop.after(network.delayMs(CLIENT_HOST, name), process, "gone", () => cancellation.abort());
      }, timeoutMs);
      const finish = (end: AttemptEnd): void => {
        timer.clear();
        resolve(end);
      };
      const back = (end: AttemptEnd): void => {
        const blockedMs = Math.max(0, network.blockedUntilMs(name, CLIENT_HOST) - loop.nowMs);
        loop.after(blockedMs + network.delayMs(name, CLIENT_HOST), client, "answer", () => finish(end));
      };
      const blockedMs = network.blockedUntilMs(CLIENT_HOST, name) - loop.nowMs;
      if (blockedMs > CONNECT_TIMEOUT_MS) {
        loop.after(CONNECT_TIMEOUT_MS, client, "no connection", () => finish({ kind: "unsent" }));
        return;
      }
      loop.after(Math.max(0, blockedMs) + network.delayMs(CLIENT_HOST, name), undefined, "request", () => {
        const machine = this.#machines.get(name);
        const node = machine?.node;
        if (
          machine === undefined ||
          node === undefined ||
          !machine.isUp ||
          node.process !== machine.process
        ) {
          back({ kind: "unsent" });
          return;
        }
        const lost = (): void => back({ kind: "lost" });
        machine.requests.add(lost);
        loop.within(node.process, "request", () => {
          void this.#serve(node, ask, timeoutMs * TIME_SHARE, cancellation).then((end) => {
            if (machine.requests.delete(lost) && node.process.alive) back(end);
          });
        });
      });
    });
  }

  async #serve(node: NodeProcess, ask: Ask, timeoutMs: number, signal: CancelSignal): Promise<AttemptEnd> {
    const { documents } = node.coordinator;
    const waiting = { deadline: Deadline.in(timeoutMs), signal };
    try {
      if (ask.kind === "read") {
        const command = { include: undefined, consistency: ask.consistency, shardKey: undefined };
        const { document, session } = await documents.get(COLLECTION, ask.id, command, waiting);
        return { kind: "told", told: { session, version: `${document.term}.${document.seq}` } };
      }
      const { action, id, document, operationId, ifMatch } = ask;
      const command = { action, id, document, operationId, ifMatch, ifNoneMatch: false, shardKey: undefined };
      const { written, session } = await documents.write(COLLECTION, command, waiting);
      return { kind: "told", told: { session, version: `${written.term}.${written.seq}` } };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (ask.kind === "read" && error.code === "documentNotFound") {
        return { kind: "told", told: { session: ask.consistency.session, version: undefined } };
      }
      return { kind: "problem", problem: error };
    }
  }
}
