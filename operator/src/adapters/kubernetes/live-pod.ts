/** What is read of a pod, and what it says of the node in it. */
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import { PORTS } from "../../resources/node-settings.js";
import { NODE_CONTAINER } from "../../resources/pod-template.js";
import type { WorkloadState, WorkloadStatus } from "../../ports/workloads.js";

interface Terminated {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly containerID?: string;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: Terminated;
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

interface PodObject extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly podIP?: string;
    readonly conditions?: readonly PodCondition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

export type LivePod = Stored<PodObject>;

/** After so long a run the earlier ends of the process say nothing of it any more. */
const STABLE_RUN_MS = 30_000;

export function nodeContainerOf(pod: LivePod): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.find(({ name }) => name === NODE_CONTAINER);
}

export function conditionOf(pod: LivePod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isReady(pod: LivePod): boolean {
  return pod.metadata.deletionTimestamp === undefined && conditionOf(pod, "Ready")?.status === "True";
}

/** A process that runs: another id is another process, whatever the pod's name. */
export interface RunningProcess {
  readonly containerId: string;
  readonly ip: string;
}

/** It can be dialled from now on, long before it is ready. */
export function runningProcess(pod: LivePod): RunningProcess | undefined {
  const container = nodeContainerOf(pod);
  const ip = pod.status?.podIP ?? "";
  if (ip === "" || container?.state?.running === undefined) return undefined;
  return { containerId: container.containerID ?? `${pod.metadata.uid}/${container.restartCount}`, ip };
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly detail: string;
}

/** How that process ended, when the pod says so: a machine that is silent says nothing. */
export function endOf(pod: LivePod, process: RunningProcess): ProcessEnd | undefined {
  const container = nodeContainerOf(pod);
  for (const state of [container?.state, container?.lastState]) {
    if (state?.terminated?.containerID === process.containerId) return toEnd(state.terminated);
  }
  const running = runningProcess(pod);
  if (running === undefined || running.containerId === process.containerId) return undefined;
  // One container follows the other in a pod, never beside it.
  return { code: null, signal: null, detail: "another container runs in its place" };
}

function toEnd({ exitCode, signal, reason, message }: Terminated): ProcessEnd {
  const lastLine = message?.trim().split("\n").at(-1) ?? "";
  const why = reason === undefined || reason === "Error" || reason === "Completed" ? "" : reason;
  // A shell's way to tell of a signal, kept by container runtimes.
  const number = signal !== undefined && signal > 0 ? signal : exitCode > 128 ? exitCode - 128 : undefined;
  return {
    code: number === undefined ? exitCode : null,
    signal: number === undefined ? null : signalName(number),
    detail: [why, lastLine].filter((part) => part !== "").join(": "),
  };
}

function signalName(number: number): string {
  switch (number) {
    case 9:
      return "SIGKILL";
    case 15:
      return "SIGTERM";
    default:
      return `signal ${number}`;
  }
}

export function addressOf(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Of a node whose pod is this one; undefined while it has none. */
export function workloadStatus(name: string, pod: LivePod | undefined, nowMs: number): WorkloadStatus {
  const process = pod && runningProcess(pod);
  const container = pod && nodeContainerOf(pod);
  const last = container?.state?.terminated ?? container?.lastState?.terminated;
  const state = pod === undefined ? "stopped" : stateOf(container, process);
  const sinceMs = stateSinceMs(pod, container) ?? nowMs;
  const isStable = state === "running" && nowMs - sinceMs >= STABLE_RUN_MS;
  return {
    name,
    state,
    sinceMs,
    exitsInARow: isStable ? 0 : (container?.restartCount ?? 0),
    lastExit: last && describeEnd(toEnd(last)),
    retryAtMs: state === "backOff" ? retryAtMs(container) : undefined,
    pid: undefined,
    peerAddress: process && addressOf(process.ip, PORTS.peers),
    httpUrl: process && `http://${addressOf(process.ip, PORTS.http)}`,
    adminUrl: process && `http://${addressOf(process.ip, PORTS.admin)}`,
  };
}

export function describeEnd({ code, signal, detail }: ProcessEnd): string {
  const how = signal === null ? `exit code ${code ?? "unknown"}` : signal;
  return detail === "" ? how : `${how}: ${detail}`;
}

function stateOf(container: ContainerStatus | undefined, process: RunningProcess | undefined): WorkloadState {
  if (process) return "running";
  return container?.state?.waiting?.reason === "CrashLoopBackOff" ? "backOff" : "starting";
}

function stateSinceMs(pod: LivePod | undefined, container: ContainerStatus | undefined): number | undefined {
  const { running, terminated } = container?.state ?? {};
  const ended = container?.lastState?.terminated?.finishedAt;
  const time = running?.startedAt ?? terminated?.finishedAt ?? ended ?? pod?.metadata.creationTimestamp;
  return time === undefined ? undefined : Date.parse(time);
}

/** The kubelet tells its delay in words alone: "back-off 1m20s restarting failed container=node ...". */
function retryAtMs(container: ContainerStatus | undefined): number | undefined {
  const match = /back-off (?:(\d+)m)?(?:(\d+)s)? restarting/.exec(container?.state?.waiting?.message ?? "");
  const finishedAt = container?.lastState?.terminated?.finishedAt;
  if (match === null || finishedAt === undefined) return undefined;
  const seconds = 60 * Number(match[1] ?? 0) + Number(match[2] ?? 0);
  return Date.parse(finishedAt) + 1000 * seconds;
}
