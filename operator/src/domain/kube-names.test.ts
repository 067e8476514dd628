import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { podName, statefulSetName, zoneSlug } from "./kube-names.js";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

describe("names in Kubernetes", () => {
  it("keeps a zone's name that is short and lower-case", () => {
    expect(statefulSetName("demo", "a")).toBe("demo-a");
    expect(statefulSetName("demo", "us-east-1a")).toBe("demo-us-east-1a");
    expect(podName("demo", "a", 2)).toBe("demo-a-2");
  });

  it("calls nodes after the cluster alone where there are no zones", () => {
    expect(statefulSetName("demo", "")).toBe("demo");
    expect(podName("demo", "", 0)).toBe("demo-0");
  });

  it("cuts and hashes names that do not fit, and keeps different ones apart", () => {
    expect(zoneSlug("europe-west1-b")).toMatch(/^europe-west1-[0-9a-f]{4}$/);
    expect(zoneSlug("europe-west1-c")).not.toBe(zoneSlug("europe-west1-b"));
    expect(zoneSlug("Rack_7")).toMatch(/^rack-7-[0-9a-f]{4}$/);
    expect(zoneSlug("___")).toMatch(/^zone-[0-9a-f]{4}$/);
  });

  it("makes labels short enough for the pods of any zone and cluster", () => {
    const zones = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/);
    fc.assert(
      fc.property(zones, (zone) => {
        const name = statefulSetName("c".repeat(30), zone);
        expect(name).toMatch(LABEL);
        expect(name.length + "-0123456789".length).toBeLessThanOrEqual(63);
      }),
    );
  });
});
