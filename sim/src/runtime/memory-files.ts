/** The files of one simulated volume, apart from its databases. What was written is there after a crash. */
const PREFIX = "/prism-sim/";

export class MemoryFiles {
  /** What statfs says is free. */
  freeBytes = 1e12;
  readonly #files = new Map<string, Uint8Array>();
  readonly #open = new Map<number, string>();
  #nextDescriptor = 1_000_000;

  /** Every path of a simulated volume begins so: others are of the machine that simulates. */
  static directory(name: string): string {
    return `${PREFIX}${name}`;
  }

  static holds(path: unknown): boolean {
    return typeof path === "string" && path.startsWith(PREFIX);
  }

  isOpen(descriptor: number): boolean {
    return this.#open.has(descriptor);
  }

  open(path: string): number {
    const descriptor = (this.#nextDescriptor += 1);
    this.#open.set(descriptor, path);
    this.#files.set(path, new Uint8Array(0));
    return descriptor;
  }

  write(descriptor: number, bytes: Uint8Array): number {
    const path = this.#open.get(descriptor)!;
    this.#files.set(path, Buffer.concat([this.#files.get(path) ?? new Uint8Array(0), bytes]));
    return bytes.length;
  }

  close(descriptor: number): void {
    this.#open.delete(descriptor);
  }

  put(path: string, bytes: Uint8Array): void {
    this.#files.set(path, bytes);
  }

  read(path: string): Uint8Array | undefined {
    return this.#files.get(path);
  }

  remove(path: string): void {
    for (const name of this.#files.keys()) {
      if (name === path || name.startsWith(`${path}/`)) this.#files.delete(name);
    }
  }
}
