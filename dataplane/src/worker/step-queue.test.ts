import { expect, test } from "vitest";
import type { TimelessEvent } from "../domain/replication/event.js";
import { StepQueue } from "./step-queue.js";

const ticket = (number: number): TimelessEvent => ({ kind: "persisted", ticket: number });

test("what handling an event brings about is handled after those that wait, by the first call", () => {
  const handled: TimelessEvent[] = [];
  const queue = new StepQueue((error) => {
    throw error;
  });
  const handle = (event: TimelessEvent): void => {
    handled.push(event);
    if (handled.length > 1) return;
    expect(queue.run(ticket(2), handle)).toBe(false);
    expect(queue.run(ticket(3), handle)).toBe(false);
    expect(handled).toEqual([ticket(1)]);
  };
  expect(queue.run(ticket(1), handle)).toBe(true);
  expect(handled).toEqual([1, 2, 3].map(ticket));
});

test("an event that can't be handled takes along those that wait, and none that come later", () => {
  const handled: TimelessEvent[] = [];
  const failures: unknown[] = [];
  const queue = new StepQueue((error) => failures.push(error));
  const broken = (): never => {
    queue.run(ticket(2), (event) => handled.push(event));
    throw new Error("damaged");
  };
  expect(queue.run(ticket(1), broken)).toBe(true);
  expect(failures).toEqual([new Error("damaged")]);
  expect(queue.run(ticket(3), (event) => handled.push(event))).toBe(true);
  expect(handled).toEqual([ticket(3)]);
});
