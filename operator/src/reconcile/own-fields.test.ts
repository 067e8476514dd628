import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstDifference } from "./own-fields.js";

describe("finding what is wanted in what is there", () => {
  it("passes over what the server and others added", () => {
    const wanted = { spec: { replicas: 1, template: { containers: [{ name: "node", image: "i" }] } } };
    const live = {
      spec: {
        replicas: 1,
        paused: false,
        template: {
          containers: [{ name: "sidecar" }, { name: "node", image: "i", tty: false }],
          dnsPolicy: "x",
        },
      },
      status: {},
    };
    expect(firstDifference(wanted, live)).toBeUndefined();
  });

  it("names the first field that is otherwise", () => {
    expect(firstDifference({ spec: { replicas: 1 } }, { spec: { replicas: 2 } })).toBe("spec.replicas");
    expect(firstDifference({ a: [{ name: "x", v: 1 }] }, { a: [{ name: "x", v: 2 }] })).toBe("a[x].v");
    expect(firstDifference({ a: [{ name: "x" }] }, { a: [] })).toBe("a[x]");
    expect(firstDifference({ a: ["x"] }, { a: ["x", "y"] })).toBe("a");
    expect(firstDifference({ a: { b: 1 } }, { a: "text" })).toBe("a");
  });

  it("takes an amount for the same in another unit, and for another in no other field", () => {
    expect(firstDifference({ limits: { memory: "1024Mi" } }, { limits: { memory: "1Gi" } })).toBeUndefined();
    expect(firstDifference({ limits: { cpu: "1000m" } }, { limits: { cpu: "1" } })).toBeUndefined();
    expect(firstDifference({ limits: { memory: "1Gi" } }, { limits: { memory: "2Gi" } })).toBe(
      "limits.memory",
    );
    expect(firstDifference({ value: "1000m" }, { value: "1" })).toBe("value");
  });

  it("takes empty for left out", () => {
    expect(firstDifference({ a: "", b: {}, c: [], d: false, e: undefined }, {})).toBeUndefined();
    expect(firstDifference({ a: true }, {})).toBe("a");
  });

  it("finds any object in itself with something added", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        expect(firstDifference(object, { ...object, "added by another": 1 })).toBeUndefined();
      }),
    );
  });
});
