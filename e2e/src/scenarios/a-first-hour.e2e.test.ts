import type { BulkFailure, PrismClient } from "@prism/client";
import { choosePassages, passagesOf } from "@prism/demo/corpus";
import { DIMENSIONS } from "@prism/demo/embedder";
import { createSpeeches } from "@prism/demo/speech-collection";
import { readSpeeches } from "@prism/demo/speeches";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leaderPod, OPERATOR_NAMESPACE } from "../scenario/operator-release.js";
import { CLUSTER, Scenario } from "../scenario/scenario.js";
import { hashedWords } from "../scenario/hashed-words.js";
import { Kubectl } from "../install/kubectl.js";

const PASSAGES = 300;

describe("a first hour with Prism on Kubernetes", () => {
  let scenario: Scenario;
  let client: PrismClient;
  let failed = true;
  let appliedMs = 0;

  beforeAll(async () => {
    scenario = await Scenario.begin("first-hour");
  });

  afterAll(async () => {
    await scenario.end(failed);
  });

  it("installs the operator, and one of its two replicas leads", async () => {
    const pods = await new Kubectl(OPERATOR_NAMESPACE).run(["get", "pods", "-o", "name"]);
    expect(pods.trim().split("\n")).toHaveLength(2);
    expect(pods).toContain(await leaderPod());
  });

  it("makes a cluster of a PrismCluster, with a node in each zone", async () => {
    appliedMs = performance.now();
    await scenario.apply(CLUSTER);
    await scenario.ready();
    console.log(`apply to Ready: ${((performance.now() - appliedMs) / 1_000).toFixed(1)} s`);
    const pods = await scenario.pods();
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(3);
    expect(pods).toHaveLength(3);
  });

  it("loads the speeches through the Service", async () => {
    client = await scenario.client();
    const speeches = await createSpeeches(client);
    const passages = choosePassages(passagesOf(readSpeeches()), PASSAGES);
    const operations = passages.map(({ id, ...fields }) => ({
      id,
      document: { ...fields, embedding: hashedWords(fields.body, DIMENSIONS) },
    }));
    const problems: string[] = [];
    const onFailure = ({ error }: BulkFailure) => problems.push(JSON.stringify(error));
    await speeches.bulk(operations, { onFailure });
    expect(problems.slice(0, 5)).toEqual([]);
    expect((await speeches.count()).count).toBe(PASSAGES);
  });

  it("finds them by words, by vectors and by both, with what each holds", async () => {
    const speeches = client.collection("speeches");
    const words = { text: { query: "war and peace", fields: ["body"] } };
    const vectors = { vector: { field: "embedding", values: hashedWords("war and peace", DIMENSIONS) } };
    for (const queries of [[words], [vectors], [words, vectors]]) {
      const answer = await speeches.search({ queries, limit: 5, include: ["title", "year"] });
      expect(answer.complete).toBe(true);
      expect(answer.results).toHaveLength(5);
      expect(answer.results[0]!.fields).toMatchObject({
        title: expect.stringContaining("State of the Union"),
      });
    }
    failed = false;
  });
});
