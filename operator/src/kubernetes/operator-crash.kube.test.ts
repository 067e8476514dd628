/** The operator ends behind every kind of write it makes, and the next one brings what was begun to its end. */
import type { CollectionAnswer } from "@prism/proto/gen/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  PRISM_CLUSTERS,
  PRISM_COLLECTIONS,
  PRISM_SHARDS,
  type RawObject,
} from "../adapters/kubernetes/prism-resources.js";
import { connectToTestServer, makeNamespace } from "../adapters/testing/kube-home.js";
import { useTestServer } from "../adapters/testing/test-server.js";
import type { ControlPlane } from "../control/control-plane.js";
import type { FakeNode, FakeNodes } from "../control/testing/fake-nodes.js";
import type { Action } from "../domain/action.js";
import type { OperatorProcess } from "./operator-process.js";
import { FakeHome } from "./testing/fake-home.js";
import { MortalClient, type WriteKind } from "./testing/mortal-client.js";
import {
  condition,
  createCluster,
  operate,
  until,
  ZONES,
  collectionManifest,
} from "./testing/operator-world.js";

/** Actions that write nothing, and why nothing is lost with them. */
const WITHOUT_WRITES: Readonly<Record<Exclude<Action["kind"], "changeRecord">, string>> = {
  refuseRequest: "the primary asks the next leader again",
};

interface Step {
  /** Makes the operator want to write this. */
  readonly provoke: () => Promise<unknown>;
  /** What the next operator brings about. */
  readonly goal: () => Promise<unknown>;
}

const TITLE = { fields: [{ name: "title", type: "text" }] };
const ANSWER_MS = 7000;

const { client } = useTestServer();
let namespace: string;
let operator: OperatorProcess | undefined;
let mortal: MortalClient;
const home = new FakeHome();
const demo = (): { namespace: string; name: string } => ({ namespace, name: "demo" });

beforeAll(async () => {
  namespace = await makeNamespace(client);
});
afterAll(async () => {
  await operator?.stop();
  await home.close();
});

async function start(): Promise<void> {
  mortal = new MortalClient(connectToTestServer());
  operator = await operate({ namespace, client: mortal.client, home });
}

const nodes = (): FakeNodes => home.nodesOf(demo());
const anyNode = (): FakeNode =>
  nodes()
    .all()
    .find((node) => node.running)!;

function plane(): Promise<ControlPlane> {
  return until("a control plane", async () => operator?.planes().get(`${namespace}/demo`));
}

async function wholeAfter(name: string, shards = 1): Promise<void> {
  await condition(client, PRISM_COLLECTIONS, { namespace, name }, "Ready", "True");
  await until(`${name} whole`, async () => {
    const ours = (await plane()).status().shards.filter((shard) => shard.collection === name);
    return ours.length === shards && ours.every((shard) => shard.state === "ok" && shard.inSync === 3);
  });
}

const make = (name: string) => () =>
  client.create(PRISM_COLLECTIONS, collectionManifest(namespace, name, { shards: 1 }));
const patchCluster = (spec: object) => () =>
  client.patch(PRISM_CLUSTERS, demo(), { type: "merge", body: { spec } });
const isReady = (): Promise<unknown> => condition(client, PRISM_CLUSTERS, demo(), "Ready", "True");
const made = (name: string): Step => ({ provoke: make(name), goal: () => wholeAfter(name) });

function ask(action: string, name: string, body: object = {}): Promise<CollectionAnswer> {
  return anyNode().requestCollection({ action, name, specJson: Buffer.from(JSON.stringify(body)) });
}

/** Asked without waiting: who should answer dies. */
const asked =
  (...request: Parameters<typeof ask>) =>
  async (): Promise<void> =>
    void ask(...request);

/** Asks again while nobody answers, as a client does. */
function answered(...request: Parameters<typeof ask>): Promise<CollectionAnswer> {
  return until(`an answer to ${request[0]} ${request[1]}`, () => {
    const silence = new Promise<false>((resolve) => setTimeout(() => resolve(false), ANSWER_MS));
    return Promise.race([ask(...request), silence]);
  });
}

async function isDeleted(name: string): Promise<void> {
  await until(`${name} deleted`, async () => {
    const { items } = await client.list<RawObject>(PRISM_SHARDS, { namespace });
    return items.every((item) => item.spec?.["collection"] !== name);
  });
}

/** The nodes of a collection's only shard, its primary's first. */
async function holders(collection: string): Promise<FakeNode[]> {
  const shard = (await plane()).status().shards.find((one) => one.collection === collection)!;
  const ordered = [...shard.copies].sort(
    (a, b) => Number(b.role === "primary") - Number(a.role === "primary"),
  );
  return ordered.map((copy) => nodes().node(copy.node));
}

async function copiesOf(collection: string, count: number): Promise<void> {
  await until(`${count} copies of ${collection}`, async () => {
    const shard = (await plane()).status().shards.find((one) => one.collection === collection);
    return shard?.copies.length === count;
  });
}

async function allUp(collection: string): Promise<void> {
  for (const node of nodes().all()) if (!node.running) node.start();
  await wholeAfter(collection);
  // What is still done for others would be taken for what the next step provokes.
  await until("all whole", async () => {
    return (await plane()).status().shards.every((shard) => shard.state === "ok" && shard.inSync === 3);
  });
}

/** In the order of their keys. A kind of write without a step does not compile. */
const STEPS: Readonly<Record<WriteKind, Step>> = {
  createIdentity: { provoke: () => createCluster(client, namespace, "demo", ZONES), goal: isReady },
  takeLead: { provoke: patchCluster({ partition: { allowStaleReads: false } }), goal: isReady },
  storeSettings: { provoke: patchCluster({ nodes: 4 }), goal: isReady },
  createNode: { provoke: patchCluster({ nodes: 5 }), goal: isReady },
  identifyNode: { provoke: patchCluster({ nodes: 6 }), goal: isReady },
  sayOfCluster: { provoke: patchCluster({ search: { timeoutMs: 777 } }), goal: isReady },
  acceptCollection: made("one"),
  sayOfCollection: made("two"),
  createRecord: made("three"),
  markShardsCreated: made("four"),
  noteVersions: made("seven"),
  clearBootstrap: made("five"),
  addInSync: made("six"),
  createCollection: {
    provoke: asked("create", "posts", { shards: 1 }),
    goal: async () => expect((await answered("create", "posts", { shards: 1 })).error).toBeUndefined(),
  },
  changeCollection: {
    provoke: asked("patch", "posts", TITLE),
    goal: async () => {
      const answer = await answered("patch", "posts", TITLE);
      expect(JSON.parse(Buffer.from(answer.specJson).toString())).toMatchObject({
        fields: [{ name: "title" }],
      });
    },
  },
  recordDeletion: {
    provoke: asked("delete", "posts"),
    goal: async () => {
      await answered("delete", "posts");
      await isDeleted("posts");
    },
  },
  deleteCollection: { provoke: asked("delete", "again"), goal: () => isDeleted("again") },
  deleteRecord: { provoke: asked("delete", "third"), goal: () => isDeleted("third") },
  promote: {
    provoke: async () => (await holders("one"))[0]!.kill(),
    goal: () => allUp("one"),
  },
  removeCopy: {
    provoke: async () => (await holders("one"))[1]!.kill(),
    goal: () => allUp("one"),
  },
  addRecovering: {
    provoke: async () => {
      const gone = (await holders("one"))[2]!;
      gone.kill();
      await copiesOf("one", 2);
      gone.start();
    },
    goal: () => allUp("one"),
  },
  giveUpHistory: { provoke: loseAllInSync, goal: goOnAfterLoss },
  beginHistory: { provoke: loseAllInSync, goal: goOnAfterLoss },
};

/** One copy left the set before the others were lost. */
async function loseAllInSync(): Promise<void> {
  const [primary, second, third] = await holders("one");
  third!.kill();
  await copiesOf("one", 2);
  primary!.kill();
  second!.kill();
  third!.start();
  void acceptLoss().catch(() => undefined);
}

/** Asks until the shard is led again, which it is only by this. */
async function acceptLoss(): Promise<void> {
  await until("the loss accepted", async () => {
    void ask("acceptDataLoss", "one/0", { confirm: "one/0" });
    const shard = (await plane()).status().shards.find((one) => one.collection === "one");
    return shard !== undefined && shard.primary !== null;
  });
}

async function goOnAfterLoss(): Promise<void> {
  await acceptLoss();
  await allUp("one");
}

/** Needed before their step. */
const PREPARATIONS: Partial<Record<WriteKind, () => Promise<unknown>>> = {
  deleteCollection: () => answered("create", "again", { shards: 1 }),
  deleteRecord: () => answered("create", "third", { shards: 1 }),
};
/** Written while an operator starts, not while it runs. */
const AT_START: readonly WriteKind[] = ["takeLead"];

describe("an operator that ends behind a write is followed by one that brings it to its end", () => {
  test.each(Object.keys(STEPS) as WriteKind[])("%s", async (kind) => {
    const { provoke, goal } = STEPS[kind];
    if (!operator) await start();
    await PREPARATIONS[kind]?.();
    if (AT_START.includes(kind)) {
      await operator?.stop();
      mortal = new MortalClient(connectToTestServer());
    }
    const death = mortal.dieAfter(kind);
    if (AT_START.includes(kind)) operator = await operate({ namespace, client: mortal.client, home });
    await provoke();
    await until(`the write ${kind}; written: ${mortal.written.slice(-20).join(" ")}`, () =>
      Promise.race([
        death.then(() => true),
        new Promise<false>((resolve) => setTimeout(() => resolve(false), 50)),
      ]),
    );
    expect(mortal.written.at(-1)).toBe(kind);
    await operator?.stop();
    await start();
    await goal();
  });

  test("and only what changes nothing has no write", () => {
    expect(Object.keys(WITHOUT_WRITES)).toEqual(["refuseRequest"]);
  });
});
