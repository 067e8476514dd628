/** Which zones a cluster gets that names none: those that its machines carry as labels, else none. */
import type { ClusterSettings } from "@prism/api/cluster";
import type { ZoneSettings } from "./node-place.js";

type Domain = ClusterSettings["topology"]["domain"];

export interface Toleration {
  readonly key?: string | undefined;
  readonly operator?: "Exists" | "Equal" | undefined;
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
}

/** A node of Kubernetes: a machine that pods may run on. */
export interface Machine {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
}

export interface TopologyWish {
  readonly domain: Domain;
  readonly labelKey: string;
  /** Unset to discover them. */
  readonly zones: readonly ZoneSettings[] | undefined;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
}

export interface SettledTopology {
  readonly domain: Domain;
  /** Empty: the nodes stand in no zone. */
  readonly zones: readonly ZoneSettings[];
}

const MOST_ZONES = 64;

/** Of the machine as it is now, not as a place: these come and go with drains and outages. */
const PASSING_TAINT = /^node\.kubernetes\.io\//;

/**
 * To be decided once and kept: a zone that shows up later must not move the nodes of a cluster that runs.
 * Machines that these pods can never run on do not count.
 */
export function settleTopology(wish: TopologyWish, machines: readonly Machine[]): SettledTopology {
  const { domain, zones, labelKey } = wish;
  if (zones !== undefined && zones.length > 0) return { domain, zones };
  const usable = machines.filter((machine) => isUsable(machine, wish));
  if (domain === "Host" || domain === "None") return { domain, zones: [] };
  const values = usable.map(({ labels }) => labels[labelKey] ?? "").filter((value) => value !== "");
  const names = [...new Set(values)].sort().slice(0, MOST_ZONES);
  if (names.length === 0) return { domain: usable.length >= 2 ? "Host" : "None", zones: [] };
  return { domain, zones: names.map((name) => zoneOf(name, domain)) };
}

/** The value of the label is what the domain is called by, whatever kind of domain that is. */
function zoneOf(name: string, domain: Domain): ZoneSettings {
  return {
    name,
    region: domain === "Region" ? name : "",
    rack: domain === "Rack" ? name : "",
    attributes: {},
    storageClassName: "",
  };
}

function isUsable({ labels, taints }: Machine, wish: TopologyWish): boolean {
  const selected = Object.entries(wish.nodeSelector).every(([key, value]) => labels[key] === value);
  return (
    selected &&
    taints.every(
      (taint) =>
        taint.effect === "PreferNoSchedule" ||
        PASSING_TAINT.test(taint.key) ||
        wish.tolerations.some((toleration) => tolerates(toleration, taint)),
    )
  );
}

/** As the scheduler judges: k8s.io/component-helpers, scheduling/corev1. */
function tolerates(toleration: Toleration, taint: Machine["taints"][number]): boolean {
  const { key, operator = "Equal", value = "", effect } = toleration;
  if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
  if (key === undefined || key === "") return operator === "Exists";
  return key === taint.key && (operator === "Exists" || value === (taint.value ?? ""));
}
