import { describe, expect, test } from "vitest";
import { foreignFields, withoutFields } from "./foreign-fields.js";
import type { LiveObject } from "./workload-action.js";

type Fields = Record<string, unknown>;

const item = (name: string, fields: Fields = { ".": {} }): Fields => ({ [`k:{"name":"${name}"}`]: fields });
const ofPods = (fields: Fields): Fields => ({ "f:spec": { "f:template": { "f:spec": fields } } });

function live(spec: object, managers: Readonly<Record<string, Fields>>, subresource?: string): LiveObject {
  const managedFields = Object.entries(managers).map(([manager, fieldsV1]) => ({
    manager,
    operation: "Update" as const,
    fieldsV1,
    ...(manager === "prism-operator" || subresource === undefined ? {} : { subresource }),
  }));
  const metadata = { name: "demo", uid: "u", resourceVersion: "1", creationTimestamp: "", managedFields };
  return { apiVersion: "apps/v1", kind: "StatefulSet", metadata, spec: { template: { spec } } };
}

const OURS = ofPods({ "f:containers": item("node", { ".": {}, "f:image": {}, "f:env": item("A") }) });

const WANTED = {
  spec: { template: { spec: { containers: [{ name: "node", image: "i", env: [{ name: "A" }] }] } } },
};

function found(object: LiveObject, wanted: object = WANTED): string[] {
  return foreignFields(object, wanted).map(({ pointer }) => pointer);
}

describe("fields that others have added", () => {
  test("are whole containers, single fields of ours, and whatever of them is there, the last of a list first", () => {
    const theirs = ofPods({
      "f:containers": {
        ...item("one"),
        ...item("two"),
        ...item("node", { "f:env": item("B"), "f:tty": {} }),
        ...item("gone"),
      },
      "f:hostPID": {},
    });
    const node = { name: "node", image: "i", tty: true, env: [{ name: "B" }, { name: "A" }] };
    const containers = [{ name: "one" }, node, { name: "two" }];
    const object = live({ containers, hostPID: true }, { "prism-operator": OURS, kubectl: theirs });
    expect(found(object)).toEqual([
      "/spec/template/spec/hostPID",
      "/spec/template/spec/containers/2",
      "/spec/template/spec/containers/1/tty",
      "/spec/template/spec/containers/1/env/0",
      "/spec/template/spec/containers/0",
    ]);
    expect(withoutFields(object, foreignFields(object, WANTED)).spec).toEqual({
      template: { spec: { containers: [{ name: "node", image: "i", env: [{ name: "A" }] }] } },
    });
    expect(foreignFields(object, WANTED)[1]).toMatchObject({
      path: "spec.template.spec.containers[two]",
      manager: "kubectl",
    });
  });

  test("are not those that the operator set too, that the server filled in, or that a webhook added to its writes", () => {
    const spec = {
      containers: [{ name: "node", image: "other" }, { name: "injected" }],
      dnsPolicy: "ClusterFirst",
    };
    const ours = ofPods({ "f:containers": { ...item("node", { "f:image": {} }), ...item("injected") } });
    const theirs = ofPods({ "f:containers": item("node", { "f:image": {} }) });
    expect(found(live(spec, { "prism-operator": ours, kubectl: theirs }))).toEqual([]);
  });

  test("are not those of ours whose value somebody changed, and so took over", () => {
    const spec = { containers: [{ name: "node", image: "other", tty: true }] };
    const left = ofPods({ "f:containers": item("node", { ".": {} }) });
    const theirs = ofPods({ "f:containers": item("node", { "f:image": {}, "f:tty": {} }) });
    const object = live(spec, { "prism-operator": left, kubectl: theirs });
    expect(found(object)).toEqual(["/spec/template/spec/containers/0/tty"]);
  });

  test("are not of the status, of scale, nor labels and annotations of pods", () => {
    const spec = { hostPID: true };
    expect(found(live(spec, { controller: ofPods({ "f:hostPID": {} }) }, "status"))).toEqual([]);
    const marks = { "f:spec": { "f:template": { "f:metadata": { "f:annotations": { "f:a/b": {} } } } } };
    expect(found(live(spec, { tool: marks }))).toEqual([]);
  });
});
