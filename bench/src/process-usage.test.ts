import { expect, test } from "vitest";
import { cpuMsOf, parseCpuMs, parseResidentBytes, residentBytesOf } from "./process-usage.js";

test("CPU time is user and system time, also of a program with spaces and parentheses in its name", () => {
  expect(parseCpuMs("12 (node (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0")).toBe(2000);
  expect(() => parseCpuMs("nothing")).toThrow("/proc/<pid>/stat");
});

test("resident memory is in bytes", () => {
  expect(parseResidentBytes("VmPeak:\t   900 kB\nVmRSS:\t   100 kB\n")).toBe(102_400);
  expect(() => parseResidentBytes("VmPeak: 1 kB")).toThrow("/proc/<pid>/status");
});

test("a process that works uses CPU, and has memory", () => {
  const before = cpuMsOf([process.pid]);
  const endMs = performance.now() + 10_000;
  while (cpuMsOf([process.pid]) === before && performance.now() < endMs);
  expect(cpuMsOf([process.pid])).toBeGreaterThan(before);
  expect(residentBytesOf([process.pid])).toBeGreaterThan(10_000_000);
  expect(() => cpuMsOf([2 ** 30])).toThrow("ENOENT");
});
