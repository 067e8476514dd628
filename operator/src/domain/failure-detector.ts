/**
 * Which nodes are alive, as seen by one control plane.
 *
 *   starting --heard--> alive --silence, broken connection, exit--> suspect --suspectTimeoutMs--> dead
 *      |                  ^------------------- heard ------------------'---------------------------'
 *      '--- one health window, or its grace, without a word ---> suspect
 *
 * A verdict about a node is advice: it decides when to promote another copy, never whether that is
 * safe. So a wrong suspicion costs a term, and no data.
 */
import type { Reason } from "@prism/api/reason";

export interface HealthSettings {
  readonly heartbeatIntervalMs: number;
  /** Heartbeats without an answer before a node is suspect. */
  readonly failureThreshold: number;
  /** From suspect to dead. */
  readonly suspectTimeoutMs: number;
}

/** `starting`: not heard of since this control plane took the lead, and still within its grace. */
export type HealthState = "starting" | "alive" | "suspect" | "dead";

export interface NodeHealth {
  readonly state: HealthState;
  readonly sinceMs: number;
  readonly reason: Reason | undefined;
  /** The process is known to be gone: it can't act on anything it was told. */
  readonly exited: boolean;
  readonly lastHeardMs: number | undefined;
}

export interface HealthChange {
  readonly node: string;
  readonly from: HealthState;
  readonly to: NodeHealth;
}

export class FailureDetector {
  #settings: HealthSettings;
  readonly #nodes = new Map<string, NodeHealth>();
  readonly #graces = new Map<string, number>();
  #lastTickMs: number;

  /** Nodes known at `nowMs` have one health window from then to be heard of (a new leader's grace). */
  constructor(settings: HealthSettings, nowMs: number) {
    this.#settings = settings;
    this.#lastTickMs = nowMs;
  }

  /** Times that count from the next judgement on. */
  adopt(settings: HealthSettings): void {
    this.#settings = settings;
  }

  get windowMs(): number {
    return this.#settings.heartbeatIntervalMs * this.#settings.failureThreshold;
  }

  health(node: string): NodeHealth | undefined {
    return this.#nodes.get(node);
  }

  /** `graceMs`: how long it may take until it is heard of; a health window when not stated. */
  expect(node: string, nowMs: number, graceMs?: number): void {
    if (this.#nodes.has(node)) return;
    if (graceMs !== undefined) this.#graces.set(node, graceMs);
    this.#nodes.set(node, {
      state: "starting",
      sinceMs: nowMs,
      reason: undefined,
      exited: false,
      lastHeardMs: undefined,
    });
  }

  forget(node: string): void {
    this.#nodes.delete(node);
    this.#graces.delete(node);
  }

  heard(node: string, nowMs: number): HealthChange | undefined {
    const health = this.#nodes.get(node);
    if (!health) return undefined;
    if (health.state !== "alive") {
      const alive: NodeHealth = {
        state: "alive",
        sinceMs: nowMs,
        reason: undefined,
        exited: false,
        lastHeardMs: nowMs,
      };
      return this.#change(node, health, alive);
    }
    this.#nodes.set(node, { ...health, lastHeardMs: Math.max(nowMs, health.lastHeardMs ?? nowMs) });
    return undefined;
  }

  /** The connection broke: evidence at once, no need to wait for missed heartbeats. */
  disconnected(node: string, nowMs: number): HealthChange | undefined {
    const health = this.#nodes.get(node);
    if (health?.state !== "alive") return undefined;
    return this.#suspect(node, health, "ConnectionBroken", nowMs);
  }

  exited(node: string, nowMs: number): HealthChange | undefined {
    const health = this.#nodes.get(node);
    if (!health || health.exited) return undefined;
    const suspect =
      health.state === "dead" ? health : { ...health, state: "suspect" as const, sinceMs: nowMs };
    return this.#change(node, health, { ...suspect, reason: "WorkloadExited", exited: true });
  }

  /** Judges silence. To be called a few times per heartbeat interval. */
  tick(nowMs: number): readonly HealthChange[] {
    // A control plane that itself stood still heard nobody: its own pause is no evidence.
    const pausedMs = nowMs - this.#lastTickMs - this.#settings.heartbeatIntervalMs;
    this.#lastTickMs = nowMs;
    const changes: HealthChange[] = [];
    for (const [node, health] of this.#nodes) {
      if (pausedMs > 0) this.#nodes.set(node, shifted(health, pausedMs));
      const change = this.#judge(node, this.#nodes.get(node) ?? health, nowMs);
      if (change) changes.push(change);
    }
    return changes;
  }

  #judge(node: string, health: NodeHealth, nowMs: number): HealthChange | undefined {
    switch (health.state) {
      case "starting":
        if (nowMs - health.sinceMs < (this.#graces.get(node) ?? this.windowMs)) return undefined;
        return this.#suspect(node, health, "NodeSuspect", nowMs);
      case "alive":
        if (nowMs - (health.lastHeardMs ?? health.sinceMs) < this.windowMs) return undefined;
        return this.#suspect(node, health, "NodeSuspect", nowMs);
      case "suspect":
        if (nowMs - health.sinceMs < this.#settings.suspectTimeoutMs) return undefined;
        return this.#change(node, health, { ...health, state: "dead", sinceMs: nowMs, reason: "NodeDead" });
      case "dead":
        return undefined;
    }
  }

  #suspect(node: string, health: NodeHealth, reason: Reason, nowMs: number): HealthChange {
    return this.#change(node, health, { ...health, state: "suspect", sinceMs: nowMs, reason });
  }

  #change(node: string, from: NodeHealth, to: NodeHealth): HealthChange {
    this.#nodes.set(node, to);
    return { node, from: from.state, to };
  }
}

function shifted(health: NodeHealth, byMs: number): NodeHealth {
  const lastHeardMs = health.lastHeardMs === undefined ? undefined : health.lastHeardMs + byMs;
  const waiting = health.state === "starting" || health.state === "suspect";
  return { ...health, lastHeardMs, sinceMs: waiting ? health.sinceMs + byMs : health.sinceMs };
}
