import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLUSTER_NAME_LENGTH } from "./api-object.js";
import { COLLECTION_NAME } from "./collection.js";
import {
  clusterObjectNames,
  collectionObjectName,
  podName,
  shardObjectName,
  statefulSetName,
  zoneSlug,
} from "./object-names.js";

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const clusters = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$/);
const zones = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/);
const collections = fc.stringMatching(COLLECTION_NAME);

describe("names of objects", () => {
  it.each([
    ["a", "demo-a"],
    ["us-east-1a", "demo-us-east-1a"],
    ["", "demo"],
  ])("take zone %j as it is when it fits", (zone, name) => {
    expect(statefulSetName("demo", zone)).toBe(name);
  });

  it.each([
    ["A", /^a-[0-9a-f]{4}$/],
    ["europe-west1-b", /^europe-west1-[0-9a-f]{4}$/],
    ["rack_1.row_2", /^rack-1-row-2-[0-9a-f]{4}$/],
    // Looks like a slug with a hash: taken as it is, it could be the slug of another zone.
    ["a-1f3b", /^a-1f3b-[0-9a-f]{4}$/],
    ["cafe", /^cafe-[0-9a-f]{4}$/],
  ])("make a slug and a hash of zone %s", (zone, slug) => {
    expect(zoneSlug(zone)).toMatch(slug);
  });

  it("are lower-case DNS labels within the bounds of what is made of them, whatever zone and cluster are called", () => {
    fc.assert(
      fc.property(clusters, zones, fc.nat(999), (cluster, zone, ordinal) => {
        const name = statefulSetName(cluster, zone);
        expect(name).toMatch(DNS_LABEL);
        expect(name.length).toBeLessThanOrEqual(CLUSTER_NAME_LENGTH + 18);
        // A pod's name is its host name; the set's controller adds a hash of 10 to the set's in a label.
        expect(podName(cluster, zone, ordinal).length).toBeLessThanOrEqual(63);
        expect(`${name}-0123456789`.length).toBeLessThanOrEqual(63);
      }),
    );
  });

  it("of a cluster's own objects are lower-case DNS labels, all of a kind distinct", () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const names = Object.values(clusterObjectNames(cluster)) as string[];
        for (const name of names) expect(name.length).toBeLessThanOrEqual(63);
        for (const name of names) expect(name).toMatch(DNS_LABEL);
      }),
    );
  });

  it("of collections and shards are names that Kubernetes takes, whatever the collection is called", () => {
    fc.assert(
      fc.property(clusters, collections, fc.nat(255), (cluster, collection, number) => {
        expect(collectionObjectName(cluster, collection)).toMatch(DNS_LABEL);
        expect(collectionObjectName(cluster, collection).length).toBeLessThanOrEqual(63);
        expect(shardObjectName(cluster, collection, number)).toMatch(DNS_SUBDOMAIN);
        expect(shardObjectName(cluster, collection, number).length).toBeLessThanOrEqual(253);
      }),
    );
  });

  it("of shards show the collection when its name fits, and differ when it does not", () => {
    expect(shardObjectName("demo", "speeches", 0)).toBe("demo.speeches.0");
    expect(shardObjectName("demo", "Speeches", 0)).toMatch(/^demo\.speeches-[0-9a-f]{8}\.0$/);
    expect(shardObjectName("demo", "a.b", 0)).not.toBe(shardObjectName("demo", "a_b", 0));
  });

  it("do not meet: neither a name with the slug of another, nor names that differ in case or marks", () => {
    fc.assert(
      fc.property(collections, collections, (one, other) => {
        fc.pre(one !== other);
        const slug = shardObjectName("c", one, 0).split(".")[1]!;
        // The slug of a name, taken as a name itself, is another shard.
        expect(slug === one || shardObjectName("c", slug, 0) !== shardObjectName("c", one, 0)).toBe(true);
        expect(shardObjectName("c", one, 0)).not.toBe(shardObjectName("c", other, 0));
        expect(collectionObjectName("c", one)).not.toBe(collectionObjectName("c", other));
      }),
      { seed: 7, numRuns: 2000 },
    );
    fc.assert(
      fc.property(zones, (zone) => {
        const slug = zoneSlug(zone);
        expect(slug === zone || zoneSlug(slug) !== slug).toBe(true);
      }),
    );
  });

  it("spread over all hashes: ten thousand names of one slug meet nowhere", () => {
    const names = new Set<string>();
    for (let i = 0; i < 10_000; i += 1) names.add(shardObjectName("c", `Logs.of.the.whole.house.${i}`, 0));
    expect(names.size).toBe(10_000);
  });
});
