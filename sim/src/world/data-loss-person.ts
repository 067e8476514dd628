/**
 * The person who gives data up: looks at the shard through whatever node answers, again and again, and accepts
 * the loss as soon as the control plane says that it may be accepted.
 */
import { Deadline } from "@prism/dataplane/services/deadline";
import type { Machine } from "./machine.js";
import { COLLECTION } from "./client-requests.js";
import type { World } from "./world.js";

const LOOK_MS = 120;
const ANSWER_MS = 2000;
const SHARD = "0";

export class DataLossPerson {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    this.#world.loop.after(LOOK_MS, undefined, "person", () => this.#look());
  }

  #look(): void {
    const { machines, loop } = this.#world;
    for (const machine of machines.values()) {
      if (machine.isUp && machine.node?.process === machine.process) this.#ask(machine);
    }
    loop.after(LOOK_MS, undefined, "person", () => this.#look());
  }

  #ask({ node }: Machine): void {
    if (node === undefined) return;
    const { loop, counts } = this.#world;
    loop.within(node.process, "person", () => {
      const { dataLoss } = node.coordinator;
      const waiting = { deadline: Deadline.in(ANSWER_MS), signal: new AbortController().signal };
      dataLoss
        .describe(COLLECTION, SHARD, waiting)
        .then(async ({ acceptable, shard }) => {
          if (!acceptable) return;
          await dataLoss.accept(COLLECTION, SHARD, { confirm: shard }, waiting);
          counts.count("dataLossAccepted");
        })
        // Nobody leads, the map is not there yet, or somebody else was faster: there is another look.
        .catch(() => undefined);
    });
  }
}
