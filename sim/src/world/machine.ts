/** A place for a node: its name and zone stay, its process and its volume come and go. */
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { NodeProcess } from "./node-process.js";
import type { Volume } from "./volume.js";

export class Machine {
  readonly name: string;
  readonly zone: string;
  readonly wallOffsetMs: number;
  readonly clockRate: number;
  volume: Volume;
  process: VirtualProcess | undefined;
  node: NodeProcess | undefined;
  boots = 0;
  /** Requests that end with the process. */
  readonly requests = new Set<() => void>();
  /** Points of IO until it crashes, when a fault says so. */
  crashAt: { readonly point: string; left: number; readonly downMs: number } | undefined;

  constructor(name: string, zone: string, volume: Volume, wallOffsetMs: number, clockRate: number) {
    this.name = name;
    this.zone = zone;
    this.volume = volume;
    this.wallOffsetMs = wallOffsetMs;
    this.clockRate = clockRate;
  }

  get isUp(): boolean {
    return this.process?.alive === true;
  }
}
