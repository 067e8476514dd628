import { describe, expect, it } from "vitest";
import { Cancellation } from "./cancellation.js";

describe("a cancellation", () => {
  it("calls each listener once, but none that was taken away or came after", () => {
    const cancellation = new Cancellation();
    const called: string[] = [];
    const first = (): void => void called.push("first");
    const second = (): void => void called.push("second");
    cancellation.addEventListener("abort", first);
    cancellation.addEventListener("abort", second);
    cancellation.removeEventListener("abort", first);
    expect(cancellation.aborted).toBe(false);
    cancellation.abort();
    cancellation.abort();
    cancellation.addEventListener("abort", first);
    expect(cancellation.aborted).toBe(true);
    expect(called).toEqual(["second"]);
  });

  it("calls all listeners although one takes another away meanwhile", () => {
    const cancellation = new Cancellation();
    const called: number[] = [];
    const last = (): void => void called.push(2);
    cancellation.addEventListener("abort", () => {
      called.push(1);
      cancellation.removeEventListener("abort", last);
    });
    cancellation.addEventListener("abort", last);
    cancellation.abort();
    expect(called).toEqual([1, 2]);
  });
});
