import { describe, expect, it } from "vitest";
import { addressOf, describeEnd, endOf, runningProcess, workloadStatus } from "./live-pod.js";
import type { ContainerStatus, LivePod } from "./live-pod.js";
import { podBlocker } from "./pod-blockers.js";

const START = Date.parse("2026-01-01T00:00:00Z");
const NONE: ReadonlyMap<string, number> = new Map();

function pod(container: Partial<ContainerStatus> | undefined, over: Record<string, unknown> = {}): LivePod {
  const containerStatuses = container && [{ name: "node", ready: false, restartCount: 0, ...container }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "demo-a-0",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: new Date(START).toISOString(),
      ...(over["metadata"] as object),
    },
    spec: { nodeName: "machine-1" },
    status: { podIP: "10.0.0.7", containerStatuses, ...(over["status"] as object) },
  };
}

const RUNNING = { containerID: "c1", state: { running: { startedAt: "2026-01-01T00:00:01Z" } } };

describe("a node's pod", () => {
  it("can be dialled as soon as its container runs and it has an address", () => {
    expect(runningProcess(pod(RUNNING))).toEqual({ containerId: "c1", ip: "10.0.0.7" });
    expect(runningProcess(pod(RUNNING, { status: { podIP: "" } }))).toBeUndefined();
    expect(runningProcess(pod({ state: { waiting: { reason: "ContainerCreating" } } }))).toBeUndefined();
    expect(addressOf("fd00::7", 7000)).toBe("[fd00::7]:7000");
  });

  it("tells how its process ended, and nothing while that is not known", () => {
    const process = { containerId: "c1", ip: "10.0.0.7" };
    const terminated = {
      exitCode: 3,
      reason: "Error",
      message: "line\nformat 9 is too new\n",
      containerID: "c1",
    };
    expect(endOf(pod({ state: { terminated } }), process)).toEqual({
      code: 3,
      signal: null,
      detail: "format 9 is too new",
    });
    expect(endOf(pod({ ...RUNNING, containerID: "c2", lastState: { terminated } }), process)?.code).toBe(3);
    expect(endOf(pod({ ...RUNNING, containerID: "c2" }), process)?.code).toBeNull();
    expect(endOf(pod(RUNNING), process)).toBeUndefined();
    expect(endOf(pod(undefined), process)).toBeUndefined();
    expect(describeEnd({ code: null, signal: "SIGKILL", detail: "OOMKilled" })).toBe("SIGKILL: OOMKilled");
  });

  it("that keeps ending says how often, why, and when it starts again", () => {
    const crashing = pod({
      restartCount: 5,
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 1m20s restarting failed container=node pod=demo-a-0",
        },
      },
      lastState: {
        terminated: { exitCode: 2, message: "no data", finishedAt: "2026-01-01T00:01:00Z", containerID: "c" },
      },
    });
    expect(workloadStatus("demo-a-0", crashing, START)).toMatchObject({
      state: "backOff",
      exitsInARow: 5,
      lastExit: "exit code 2: no data",
      retryAtMs: START + 140_000,
      peerAddress: undefined,
    });
    expect(podBlocker(crashing, NONE, START)).toMatchObject({
      rule: "WorkloadBackOff",
      evidence: "demo-a-0: exit code 2: no data",
      since: START + 60_000,
    });
  });

  it("forgets earlier ends after a run that lasted", () => {
    const back = pod({ ...RUNNING, restartCount: 5 });
    expect(workloadStatus("demo-a-0", back, START + 5000).exitsInARow).toBe(5);
    expect(workloadStatus("demo-a-0", back, START + 60_000).exitsInARow).toBe(0);
  });

  it("has none before it is made", () => {
    expect(workloadStatus("demo-a-0", undefined, START)).toMatchObject({ state: "stopped", exitsInARow: 0 });
    expect(workloadStatus("demo-a-0", pod(undefined), START).state).toBe("starting");
  });
});

describe("why a pod does not run", () => {
  const unscheduled = (message: string): LivePod =>
    pod(undefined, {
      status: {
        conditions: [
          {
            type: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message,
            lastTransitionTime: "2026-01-01T00:00:00Z",
          },
        ],
      },
    });

  it("is told apart: no room, a volume that is elsewhere, a volume that is not there", () => {
    expect(podBlocker(unscheduled("0/3 nodes are available: 3 Insufficient cpu."), NONE, START)?.rule).toBe(
      "PodUnschedulable",
    );
    const elsewhere = "0/3 nodes are available: 1 node(s) had volume node affinity conflict.";
    expect(podBlocker(unscheduled(elsewhere), NONE, START)).toMatchObject({
      rule: "VolumeOnLostMachine",
      evidence: `demo-a-0: claim data-demo-a-0: ${elsewhere}`,
    });
    const unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    expect(podBlocker(unscheduled(unbound), NONE, START)?.rule).toBe("VolumePending");
  });

  it("is a machine that does not confirm its end, once it should have", () => {
    const ending = pod(RUNNING, { metadata: { deletionTimestamp: "2026-01-01T00:01:00Z" } });
    expect(podBlocker(ending, NONE, START + 65_000)).toBeUndefined();
    expect(podBlocker(ending, NONE, START + 71_000)).toMatchObject({
      rule: "MachineLost",
      evidence: "demo-a-0: Terminating on machine machine-1, which does not confirm its end",
    });
  });

  it("is a machine that does not answer, whether its pod is to end or not", () => {
    const silent = new Map([["machine-1", START + 7000]]);
    expect(podBlocker(pod(RUNNING), silent, START + 8000)).toMatchObject({
      rule: "MachineLost",
      evidence: "demo-a-0: machine machine-1, which does not answer",
      since: START + 7000,
    });
  });

  it("is said of a creation only when it takes long", () => {
    const creating = pod(
      { state: { waiting: { reason: "ContainerCreating" } } },
      {
        status: {
          conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }],
        },
      },
    );
    expect(podBlocker(creating, NONE, START + 5000)).toBeUndefined();
    expect(podBlocker(creating, NONE, START + 31_000)?.rule).toBe("VolumePending");
  });
});
