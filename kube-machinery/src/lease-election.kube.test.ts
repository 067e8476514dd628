import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { delay } from "./deadline.js";
import { LEASES, type LeaseObject } from "./lease-contender.js";
import { LeaseElection } from "./lease-election.js";
import type { FaultProxy } from "./testing/fault-proxy.js";
import { KubeTestServer, until } from "./testing/kube-test-server.js";

let server: KubeTestServer;

beforeEach(async () => {
  server = await KubeTestServer.open();
});
afterEach(() => server.close());

interface Contender {
  readonly election: LeaseElection;
  readonly proxy: FaultProxy;
  readonly told: string[];
}

/** Each with a way of its own to the server, so that one can be cut off. */
async function contend(identity: string, stallLimitMs?: number): Promise<Contender> {
  const proxy = await server.proxy();
  const told: string[] = [];
  const election = new LeaseElection({
    environment: { KUBECONFIG: await server.kubeconfig(proxy) },
    namespace: server.namespace,
    name: "leader",
    identity,
    onLeading: () => told.push("leading"),
    onLost: (reason) => told.push(`lost: ${reason}`),
    ...(stallLimitMs === undefined ? {} : { stallLimitMs }),
  });
  server.onClose(() => election.stop());
  election.start();
  return { election, proxy, told };
}

function holderOf(lease: LeaseObject | undefined): string {
  return lease?.spec?.holderIdentity?.split("_")[0] ?? "";
}

async function holder(): Promise<string> {
  return holderOf(
    await server.direct.get<LeaseObject>(LEASES, { namespace: server.namespace, name: "leader" }),
  );
}

/** Looks every few milliseconds how many lead; the clock behind isLeading() is one for all threads. */
function watchLeaders(contenders: readonly Contender[]): { readonly most: () => number } {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, contenders.filter(({ election }) => election.isLeading()).length);
  }, 2);
  server.onClose(async () => clearInterval(timer));
  return { most: () => most };
}

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

describe("lease election, against an API server", () => {
  test("two leaders at once: never, when the one that leads is cut off, and another leads within 5 s", async () => {
    const first = await contend("first");
    await until("the first leads", () => first.election.isLeading());
    const others = [await contend("second"), await contend("third")];
    const leaders = watchLeaders([first, ...others]);
    await until("the others watch", () => others.every(({ proxy }) => proxy.openWatches === 1));
    // Its renewals arrive nowhere; what it hears is silence.
    const heal = first.proxy.rule(() => ({ type: "swallow" }));
    const cutAtMs = performance.now();
    await until("it stops leading", () => !first.election.isLeading());
    expect(performance.now() - cutAtMs).toBeLessThan(3_100);
    await until("another leads", () => others.some(({ election }) => election.isLeading()));
    expect(performance.now() - cutAtMs).toBeLessThan(5_000);
    heal();
    first.proxy.reset();
    await delay(1_500);
    expect(leaders.most()).toBe(1);
    expect(first.election.isLeading()).toBe(false);
    expect(first.told).toEqual(["leading", "lost: the API server did not confirm the lease in time"]);
    expect(["second", "third"]).toContain(await holder());
  });

  test("answers to renewals that are lost do not cost the lease", async () => {
    const { election, proxy, told } = await contend("first");
    await until("it leads", () => election.isLeading());
    proxy.times(3, ({ method }) => (method === "PUT" ? { type: "loseAnswer" } : undefined));
    await delay(3_500);
    expect(election.isLeading()).toBe(true);
    expect(told).toEqual(["leading"]);
  });

  test("a main loop that is busy for 4 s keeps the lease; one that hangs for longer than allowed loses it", async () => {
    // Without a proxy, which would hang with this thread.
    const told: string[] = [];
    const election = new LeaseElection({
      environment: { KUBECONFIG: process.env["KUBE_TEST_CONFIG"] },
      namespace: server.namespace,
      name: "leader",
      identity: "busy",
      stallLimitMs: 6_000,
      onLeading: () => told.push("leading"),
      onLost: (reason) => told.push(`lost: ${reason}`),
    });
    server.onClose(() => election.stop());
    election.start();
    await until("it leads", () => election.isLeading());
    block(4_000);
    expect(election.isLeading()).toBe(true);
    await delay(1_100);
    block(10_000);
    expect(election.isLeading()).toBe(false);
    await until("it is told", () => told.length > 1);
    expect(told.slice(0, 2)).toEqual(["leading", "lost: the process does not answer its own election"]);
  });

  test("the lease is given back at the end, and the next one leads at once", async () => {
    const first = await contend("first");
    await until("the first leads", () => first.election.isLeading());
    const second = await contend("second");
    await until("the second watches", () => second.proxy.openWatches === 1);
    const beganAtMs = performance.now();
    await first.election.stop();
    await until("the second leads", () => second.election.isLeading());
    expect(performance.now() - beganAtMs).toBeLessThan(1_000);
    expect(first.told).toEqual(["leading", "lost: released"]);
    expect(await holder()).toBe("second");
  });

  test("a lease that somebody deletes, or writes another's name into, is lost and contended for again", async () => {
    const { election, told } = await contend("first");
    await until("it leads", () => election.isLeading());
    const lease = (await server.direct.get<LeaseObject>(LEASES, {
      namespace: server.namespace,
      name: "leader",
    }))!;
    await server.direct.delete(LEASES, lease.metadata, { preconditions: { uid: lease.metadata.uid } });
    await until("it lost it", () => told.includes("lost: another took the lease"));
    await until("it leads again", () => election.isLeading());
    await server.direct.patch(LEASES, lease.metadata, {
      type: "merge",
      body: { spec: { holderIdentity: "thief" } },
    });
    await until("it lost it again", () => !election.isLeading());
    expect(await holder()).toBe("thief");
    await until("the thief's time is up", () => election.isLeading());
  });
});
