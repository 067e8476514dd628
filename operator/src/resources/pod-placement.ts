/** Which machines a node's pod may stand on: those of its zone, apart from the cluster's other pods. */
import type { ClusterSpec, ClusterZone } from "@prism/api/cluster";
import { selectorLabels } from "./owned-object.js";

const HOSTNAME = "kubernetes.io/hostname";

type Rules = Readonly<Record<string, unknown>>;

/** What the cluster says of affinity, and what its zone and its domain ask for besides. */
export function podAffinity(cluster: string, spec: ClusterSpec, zone: ClusterZone): Rules | undefined {
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec.pod.affinity;
  const affinity = {
    nodeAffinity: zone.name === "" ? nodeAffinity : inZone(nodeAffinity, spec.topology.labelKey, zone.name),
    podAffinity,
    podAntiAffinity: spec.topology.domain === "Host" ? apart(podAntiAffinity, cluster) : podAntiAffinity,
  };
  return Object.values(affinity).some((rules) => rules !== undefined) ? affinity : undefined;
}

/** Evenly over machines where there are enough; a lack of machines is no reason not to run. */
export function podSpread(cluster: string, { topology }: ClusterSpec): readonly Rules[] | undefined {
  if (topology.domain === "Host") return undefined;
  return [
    {
      maxSkew: 1,
      topologyKey: HOSTNAME,
      whenUnsatisfiable: "ScheduleAnyway",
      labelSelector: { matchLabels: selectorLabels(cluster) },
    },
  ];
}

/** Terms are alternatives: each of them gets the zone. */
function inZone(stated: Rules | undefined, labelKey: string, zone: string): Rules {
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  const { nodeSelectorTerms = [] } = (stated?.[required] ?? {}) as { nodeSelectorTerms?: readonly Rules[] };
  const terms = nodeSelectorTerms.length === 0 ? [{}] : nodeSelectorTerms;
  const here = { key: labelKey, operator: "In", values: [zone] };
  return {
    ...stated,
    [required]: {
      nodeSelectorTerms: terms.map((term: Rules) => {
        const { matchExpressions = [] } = term as { matchExpressions?: readonly unknown[] };
        return { ...term, matchExpressions: [...matchExpressions, here] };
      }),
    },
  };
}

/** Where machines are the domain, two pods on one machine would be two domains that fall together. */
function apart(stated: Rules | undefined, cluster: string): Rules {
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  const terms = (stated?.[required] ?? []) as readonly unknown[];
  const own = { topologyKey: HOSTNAME, labelSelector: { matchLabels: selectorLabels(cluster) } };
  return { ...stated, [required]: [...terms, own] };
}
