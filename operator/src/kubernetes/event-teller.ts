/** Tells people what was done to a cluster, as events of the object that it was done to. */
import { REASONS, type Reason } from "@prism/api/reason";
import type { EventRecorder } from "@prism/kube-machinery/event-recorder";
import type { Stored } from "@prism/kube-machinery/kube-object";
import type { KubeStore } from "../adapters/kubernetes/kube-store.js";
import type { RawObject } from "../adapters/kubernetes/prism-resources.js";
import type { Evidence } from "../domain/action.js";
import { severityOf } from "../domain/status-text.js";

export interface EventTellerOptions {
  readonly recorder: EventRecorder;
  readonly store: KubeStore;
  readonly cluster: () => Stored<RawObject>;
}

export class EventTeller {
  readonly #options: EventTellerOptions;

  constructor(options: EventTellerOptions) {
    this.#options = options;
  }

  /** `about` as in status: `shard/...`, `node/...`, `collection/...`; anything else is about the cluster. */
  tell(reason: Reason, about: string, evidence: Evidence): void {
    const details = Object.entries(evidence).map(([key, value]) => {
      return `${key}: ${typeof value === "object" ? value.join(", ") : String(value)}`;
    });
    const note = [`${about}: ${REASONS[reason]}`, ...details].join(" ");
    this.tellOf(this.#find(about), reason, note);
  }

  tellOf(regarding: Stored<RawObject>, reason: Reason, note: string): void {
    const { recorder, cluster } = this.#options;
    const type = severityOf(reason) === "info" ? "Normal" : "Warning";
    recorder.record({ regarding, related: cluster(), type, reason, action: reason, note });
  }

  #find(about: string): Stored<RawObject> {
    const { store, cluster } = this.#options;
    const slash = about.indexOf("/");
    const name = about.slice(slash + 1);
    switch (about.slice(0, slash)) {
      case "shard":
        return store.find("PrismShard", name) ?? cluster();
      case "node":
        return store.find("PrismNode", name) ?? cluster();
      case "collection":
        return store.find("PrismCollection", name) ?? cluster();
      default:
        return cluster();
    }
  }
}
