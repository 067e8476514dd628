/** The demonstration, from an empty directory to the table of claims. */
import { parseCluster } from "@prism/api/cluster";
import { PrismClient, PrismError } from "@prism/client";
import { startLocalCluster, type LocalCluster } from "@prism/operator/local-cluster";
import { mkdir, mkdtemp, rm, rmdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { judge, type Measurements } from "./claims.js";
import { choosePassages, passagesOf } from "./corpus.js";
import { Embedder } from "./embedder.js";
import { runFailureDrill } from "./failure-drill.js";
import { LOAD_SECONDS_MAX, parseOptions, UsageError, USAGE, type DemoOptions } from "./options.js";
import { startProgress } from "./progress.js";
import {
  paintWith,
  renderClaims,
  renderDrill,
  renderHeading,
  renderLoad,
  renderNodes,
  renderSearch,
} from "./report.js";
import { showSearches } from "./showcase.js";
import { createSpeeches, loadPassages } from "./speech-collection.js";
import { readSpeeches } from "./speeches.js";

const HOME = resolve(import.meta.dirname, "../../.prism/demo");
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
/** Of what runs between the start and the stop; something that hangs must not hang a build. */
const TIMEOUT_MS = 170_000;

const CLUSTER = parseCluster({
  apiVersion: "prism.dev/v1alpha1",
  kind: "PrismCluster",
  metadata: { name: "demo" },
  spec: {
    version: "0.1.0",
    nodes: 3,
    topology: { domain: "Zone", zones: [{ name: "a" }, { name: "b" }, { name: "c" }] },
    replication: { factor: 3, minReplicasForWrite: 2 },
  },
});

class Demonstration {
  readonly #options: DemoOptions;
  readonly #out: NodeJS.WriteStream;
  readonly #paint: ReturnType<typeof paintWith>;
  /** What must be ended, the last first. */
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #abort = new AbortController();
  #closing: Promise<void> | undefined;
  #directory = "";
  #cluster: LocalCluster | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#out = options.json ? process.stderr : process.stdout;
    this.#paint = paintWith(this.#out.isTTY && (process.env["NO_COLOR"] ?? "") === "");
  }

  /** @returns whether every claim held. */
  async run(): Promise<boolean> {
    const startedMs = performance.now();
    const measurements = await this.#measure();
    const claims = judge(measurements);
    const held = claims.every((claim) => claim.held);
    const seconds = (performance.now() - startedMs) / 1000;
    this.#heading(5, "Claims");
    this.#print(renderClaims(this.#paint, claims));
    const verdict = held
      ? this.#paint("green", "every claim held")
      : this.#paint("red", "not every claim held");
    this.#print(["", `${verdict}, in ${seconds.toFixed(0)} s`]);
    if (this.#options.json) {
      process.stdout.write(`${JSON.stringify({ held, seconds, claims, ...measurements }, null, 2)}\n`);
    }
    return held;
  }

  /** Where the kept cluster is and what can be done with it. */
  tellKept(): void {
    const [first] = this.#cluster?.addresses() ?? [];
    const data = relative(process.cwd(), this.#directory);
    this.#print([
      "",
      this.#paint("bold", "The cluster goes on until Ctrl-C"),
      ...renderNodes(this.#cluster?.addresses() ?? []),
      "",
      `   curl ${first?.httpUrl}/api/v1/status`,
      `   curl ${first?.httpUrl}/api/v1/collections/speeches/search -H 'content-type: application/json' \\`,
      `     -d '{"queries":[{"text":{"query":"war and taxes","fields":["body"]}}],"limit":3,"include":["year","body"]}'`,
      `   npx prism --data ${data} status`,
      "",
      `   after Ctrl-C its data stays in ${data}; remove it with: rm -r ${data}`,
    ]);
  }

  /** Ends what runs and removes what is not to be kept. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #measure(): Promise<Measurements> {
    const startSeconds = await this.#start();
    const cluster = this.#cluster!;
    const endpoints = cluster.addresses().map(({ httpUrl }) => httpUrl);
    const client = this.#client(endpoints);
    const embedder = new Embedder();
    this.#undo.push(() => embedder.close());

    this.#heading(2, "Load: text, fields and vectors, while embedding goes on");
    const speeches = readSpeeches();
    const passages = choosePassages(passagesOf(speeches), this.#options.passages);
    const collection = await createSpeeches(client);
    const progress = startProgress(this.#out, "passages", passages.length);
    const load = await loadPassages(collection, embedder, passages, {
      secondsMax: this.#options.inTime ? LOAD_SECONDS_MAX : Infinity,
      onProgress: (loaded) => progress.update(loaded),
      signal: this.#abort.signal,
    }).finally(() => progress.stop());
    this.#print(renderLoad(load, speeches.length, passages.length));

    this.#heading(3, "Search");
    const searches = await showSearches(collection, embedder);
    for (const shown of searches) this.#print(renderSearch(this.#paint, shown));
    const vector = await embedder.embed("The war is over and peace is made.");
    await embedder.close();

    this.#heading(4, "Failure: a node dies under load");
    const drill = await runFailureDrill({
      cluster,
      client,
      readerClient: this.#client(endpoints),
      vector,
      signal: this.#abort.signal,
      tell: (line) => this.#print([`   ${line}`]),
    });
    this.#print(["", ...renderDrill(this.#paint, drill)]);
    return { speeches: speeches.length, startSeconds, load, searches, drill };
  }

  async #start(): Promise<number> {
    const startedMs = performance.now();
    this.#heading(1, "Cluster: three zones, a node in each");
    await mkdir(HOME, { recursive: true });
    this.#directory = await mkdtemp(join(HOME, "run-"));
    this.#undo.push(() => removeDirectory(this.#directory, this.#options.keep));
    const starting = startLocalCluster({
      cluster: CLUSTER,
      dataDirectory: this.#directory,
      wellKnownPorts: this.#options.keep,
    });
    // Also when it is interrupted while it starts.
    this.#undo.push(() =>
      starting.then(
        (cluster) => cluster.stop(),
        () => undefined,
      ),
    );
    this.#cluster = await starting;
    // What is made from here on would never be ended.
    this.#abort.signal.throwIfAborted();
    const seconds = (performance.now() - startedMs) / 1000;
    this.#print([...renderNodes(this.#cluster.addresses()), `   ready in ${seconds.toFixed(1)} s`]);
    return seconds;
  }

  #client(endpoints: readonly string[]): PrismClient {
    this.#abort.signal.throwIfAborted();
    const client = new PrismClient({ endpoints });
    this.#undo.push(() => client.close());
    return client;
  }

  #heading(number: number, title: string): void {
    this.#print(renderHeading(this.#paint, number, title));
  }

  #print(lines: readonly string[]): void {
    this.#out.write(`${lines.join("\n")}\n`);
  }

  async #close(): Promise<void> {
    this.#abort.abort();
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }
}

async function removeDirectory(directory: string, keep: boolean): Promise<void> {
  if (keep) return;
  await rm(directory, { recursive: true, force: true });
  // Others' files stay.
  await rmdir(HOME).catch(() => undefined);
  await rmdir(dirname(HOME)).catch(() => undefined);
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const demonstration = new Demonstration(options);
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => reject(new Interrupted()));
    // Nobody reads any more, as in `make demo | head`.
    process.stdout.on("error", () => reject(new Interrupted()));
  });
  const overdue = timeout(options.inTime ? TIMEOUT_MS : undefined);
  try {
    const held = await Promise.race([demonstration.run(), interrupted, overdue.promise]);
    overdue.stop();
    process.exitCode = held ? 0 : EXIT_FAILED;
    if (options.keep) {
      demonstration.tellKept();
      await interrupted.catch(() => undefined);
    }
  } finally {
    overdue.stop();
    await demonstration.close();
  }
}

class Interrupted extends Error {
  override readonly name = "Interrupted";
}

function timeout(ms: number | undefined): { readonly promise: Promise<never>; readonly stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<never>((_, reject) => {
    if (ms !== undefined) timer = setTimeout(() => reject(new Error(`not done within ${ms / 1000} s`)), ms);
  });
  return { promise, stop: () => clearTimeout(timer) };
}

/** What the person who started it can act on. */
function explain(error: unknown): readonly [text: string, code: number] {
  if (error instanceof UsageError)
    return [`${error.message}\nmake demo DEMO=--help tells the options`, EXIT_USAGE];
  if (error instanceof Interrupted) return ["interrupted", EXIT_INTERRUPTED];
  if (error instanceof PrismError) return [`the cluster answered: ${error.message}`, EXIT_FAILED];
  return [error instanceof Error ? error.message : String(error), EXIT_FAILED];
}

main().catch((error: unknown) => {
  const [text, code] = explain(error);
  process.stderr.write(`demo: ${text}\n`);
  // The steps that were interrupted may hold timers.
  process.exit(code);
});
