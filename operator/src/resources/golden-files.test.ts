/** Every object of a few clusters, as files: what a change of the builders changes is seen in review. */
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { ClusterSpec } from "@prism/api/cluster";
import { NO_ZONE } from "../domain/node-place.js";
import { buildDisruptionBudget } from "./disruption-budget.js";
import { buildNetworkPolicy } from "./network-policy.js";
import { nodeSettingsFile } from "./node-settings.js";
import type { OwnedObject } from "./owned-object.js";
import { buildPodTemplate } from "./pod-template.js";
import { buildClientService, buildNodesService } from "./services.js";
import { buildSettingsMap } from "./settings-map.js";
import { buildStatefulSet } from "./stateful-set.js";
import { IMAGE, OWNER, sampleSpec } from "./testing/sample-cluster.js";

function allObjects(spec: ClusterSpec): OwnedObject[] {
  const { key, text } = nodeSettingsFile(spec.resources);
  const zones = spec.topology.zones.length === 0 ? [NO_ZONE] : spec.topology.zones;
  return [
    buildSettingsMap(OWNER, { [key]: text }),
    buildNodesService(OWNER),
    buildClientService(OWNER),
    buildNetworkPolicy(OWNER, "prism-system"),
    buildDisruptionBudget(OWNER, 0),
    ...zones.map((zone) => {
      const template = buildPodTemplate({ cluster: OWNER.name, spec, zone, imageRepository: IMAGE });
      return buildStatefulSet({ owner: OWNER, spec, zone, replicas: 1, template });
    }),
  ];
}

async function expectGolden(name: string, spec: ClusterSpec): Promise<void> {
  const text = allObjects(spec)
    .map((object) => stringify(object, { aliasDuplicateObjects: false }))
    .join("---\n");
  await expect(text).toMatchFileSnapshot(`../../testdata/resources/${name}.yaml`);
}

describe("the objects of a cluster", () => {
  it("are as written down for the shortest specification in three zones", async () => {
    await expectGolden("three-zones", sampleSpec());
  });

  it("are as written down for machines without labels, and for a single one", async () => {
    await expectGolden("unlabelled", sampleSpec({}, [undefined, undefined]));
    await expectGolden("one-machine", sampleSpec({}, [undefined]));
  });

  it("are as written down for ephemeral storage and every pod setting", async () => {
    const stated = {
      storage: { type: "Ephemeral", size: "1Gi" },
      image: {
        repository: "registry.example.com/search/prism",
        pullPolicy: "Always",
        pullSecrets: [{ name: "pull" }],
      },
      resources: { requests: { cpu: "2", memory: "4Gi" }, limits: { cpu: "4", memory: "4Gi" } },
      pod: {
        labels: { team: "search" },
        annotations: { "example.com/cost": "low" },
        nodeSelector: { "example.com/disk": "ssd" },
        tolerations: [{ key: "dedicated", operator: "Equal", value: "search", effect: "NoSchedule" }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: "example.com/arch", operator: "In", values: ["amd64"] }] },
              ],
            },
          },
        },
        priorityClassName: "important",
        env: [{ name: "PRISM_LOG_LEVEL", value: "debug" }],
      },
      topology: { zones: [{ name: "Rack_7", storageClassName: "fast" }] },
    };
    const spec = sampleSpec(stated, []);
    const [zone] = spec.topology.zones;
    expect(zone).toBeDefined();
    await expectGolden("every-setting", {
      ...spec,
      pod: { ...spec.pod, nodeSelector: { "example.com/disk": "ssd" } },
    });
  });

  it("change the template's hash with the template, and with nothing else", () => {
    const hash = (spec: ClusterSpec): unknown => {
      const [zone = NO_ZONE] = spec.topology.zones;
      const template = buildPodTemplate({ cluster: "demo", spec, zone, imageRepository: IMAGE });
      return template.metadata.annotations["prism.dev/template-hash"];
    };
    const before = hash(sampleSpec());
    expect(hash(sampleSpec({ nodes: 9, health: { failureThreshold: 5 } }))).toBe(before);
    expect(hash(sampleSpec({ version: "0.2.0" }))).not.toBe(before);
    expect(hash(sampleSpec({ resources: { limits: { memory: "2Gi" } } }))).not.toBe(before);
  });
});
