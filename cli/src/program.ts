/**
 * The command line: commands, options, help with examples. What a command does is loaded when it is run,
 * so that help and mistakes are answered at once.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import type { CreateOptions } from "./commands/collection.js";
import type { GetOptions } from "./commands/get.js";
import type { LoadOptions } from "./commands/load.js";
import type { SearchOptions } from "./commands/search.js";
import type { AcceptOptions } from "./commands/shard.js";
import type { UpOptions } from "./commands/up.js";
import type { VerifyOptions } from "./commands/verify.js";
import { DEFAULT_DATA, type Context, type GlobalOptions } from "./context.js";
import { EXIT } from "./exit-code.js";
import { addReadLevel } from "./read-level.js";

const EXIT_CODES = `
Exit codes:
${Object.values(EXIT)
  .map(({ code, meaning }) => `  ${code}  ${meaning}`)
  .join("\n")}`;

const EXAMPLES = `
Examples:
  $ prism up                                        three nodes in three zones on this machine
  $ prism status --watch                            what is wrong, since when, what happens next
  $ prism collection create notes --text body:english --keyword tag --vector embedding:512
  $ prism load notes notes.ndjson                   one JSON document a line
  $ prism search notes "war and taxes" --fields body
  $ prism down                                      the data stays
${EXIT_CODES}`;

const PLUGIN_EXAMPLES = `
Examples:
  $ kubectl prism status                            the only cluster of the context's namespace
  $ kubectl prism status -n search --cluster demo --watch
  $ kubectl prism collection list
  $ kubectl prism search notes "war and taxes" --fields body

Requests go through the API server's proxy to the cluster's Service: your account needs get on services/proxy,
create to search, and update, patch and delete to change things. Where a network policy keeps the API server out: kubectl port-forward, and --endpoint.
${EXIT_CODES}`;

export interface ProgramOptions {
  /** As `kubectl prism`: for clusters in Kubernetes. Default false. */
  readonly plugin?: boolean;
}

/** @param setExit is called with the exit code of commands that have one of their own. */
export function buildProgram(
  context: Context,
  setExit: (code: number) => void,
  { plugin = false }: ProgramOptions = {},
): Command {
  const name = plugin ? "kubectl prism" : "prism";
  const program = new Command(name)
    .description(
      plugin ? "Inspect and use a Prism cluster in Kubernetes." : "Start, inspect and use a Prism cluster.",
    )
    .version("0.1.0")
    .addOption(
      new Option("--endpoint <urls>", "base URLs of nodes, separated by commas")
        .env("PRISM_ENDPOINT")
        .argParser(list),
    )
    .addOption(
      new Option("--data <directory>", "data directory of the local cluster")
        .env("PRISM_DATA")
        .default(DEFAULT_DATA),
    )
    .addOption(new Option("--api-key <key>", "sent as a bearer token").env("PRISM_API_KEY"))
    .option("-n, --namespace <name>", "of a cluster in Kubernetes (default: the context's)")
    .option("--cluster <name>", "a PrismCluster (default: the only one of the namespace)")
    .option("--kubeconfig <file>", "default: KUBECONFIG, else ~/.kube/config")
    .option("--context <name>", "of the kubeconfig (default: its current one)")
    .option("--json", "print JSON for scripts", false)
    .addHelpText("after", plugin ? PLUGIN_EXAMPLES : EXAMPLES)
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  const global = (): GlobalOptions => ({ ...program.opts<GlobalOptions>(), plugin });
  if (!plugin) addLocal(program, context, global, setExit);
  addStatus(program, context, global, setExit);
  addCollection(program, context, global);
  addDocuments(program, context, global, setExit);
  addVerify(program, context, global, setExit);
  addShard(program, context, global);
  addDebug(program, context, global);
  forAll(program, name, (command, path) => command.exitOverride().showHelpAfterError(`(see ${path} --help)`));
  return program;
}

function addLocal(
  program: Command,
  context: Context,
  global: () => GlobalOptions,
  setExit: (code: number) => void,
): void {
  program
    .command("up")
    .description("start a cluster on this machine and wait until it is ready, or as ready as it gets")
    .argument("[file]", "a PrismCluster as YAML; left out: the one of last time, or a new one")
    .option("--nodes <n>", "nodes of a new cluster, one zone each up to three (default: 3)", integer(1, 64))
    .option("--name <name>", 'name of a new cluster (default: "demo")')
    .option("--wait <seconds>", "how long it may take until it is ready", integer(1, 600), 60)
    .addHelpText(
      "after",
      "\nExamples:\n  $ prism up\n  $ prism up cluster.yaml --data /var/lib/prism\n  $ prism up --nodes 1",
    )
    .action(
      async (
        file: string | undefined,
        { wait, ...options }: Omit<UpOptions, "waitSeconds"> & { wait: number },
      ) => {
        const { up } = await import("./commands/up.js");
        setExit(await up(context, file, { ...options, waitSeconds: wait }, global()));
      },
    );
  program
    .command("down")
    .description("stop the local cluster; its data stays")
    .action(async () => (await import("./commands/up.js")).down(context, global()));
}

function addStatus(
  program: Command,
  context: Context,
  global: () => GlobalOptions,
  setExit: (code: number) => void,
): void {
  program
    .command("status")
    .description("one screen: what is wrong, since when, what happens next")
    .option("-w, --watch", "go on until interrupted", false)
    .option("--interval <seconds>", "between two screens of --watch", integer(1, 3600), 2)
    .addHelpText(
      "after",
      "\nExamples:\n  $ prism status\n  $ prism status --json | jq .problems\n  $ prism status --watch --interval 1",
    )
    .action(async ({ watch, interval }: { watch: boolean; interval: number }) => {
      const { status } = await import("./commands/status.js");
      setExit(await status(context, { watch, intervalSeconds: interval }, global()));
    });
}

function addCollection(program: Command, context: Context, global: () => GlobalOptions): void {
  const collection = program.command("collection").description("create, list and delete collections");
  const create = collection
    .command("create")
    .description("create a collection, from options or from a file")
    .argument("<name>")
    .option("--file <file>", "definition as YAML or JSON: the body of PUT /api/v1/collections/{c}")
    .option("--shards <n>", "number of shards; it can't change later", integer(1, 256))
    .option("--factor <n>", "copies of each shard", integer(1, 16))
    .option("--shard-key <field>", "keyword field whose value decides the shard")
    .option("--text <name[:analyzer]>", "text field; analyzer standard, english or keyword", collect, [])
    .option("--vector <name:dimensions[:metric]>", "vector field; metric cosine, dot or l2", collect, []);
  for (const type of ["keyword", "integer", "long", "float", "boolean", "date"]) {
    create.option(`--${type} <name>`, `${type} field`, collect, []);
  }
  create
    .addHelpText(
      "after",
      "\nExamples:\n  $ prism collection create notes --text title --text body:english --integer year\n  $ prism collection create notes --file notes.yaml",
    )
    .action(async (name: string, options: CreateOptions) =>
      (await import("./commands/collection.js")).createCollection(context, name, options, global()),
    );
  collection
    .command("list")
    .description("all collections")
    .action(async () => (await import("./commands/collection.js")).listCollections(context, global()));
  collection
    .command("delete")
    .description("delete a collection and its documents")
    .argument("<name>")
    .option("--yes", "yes, delete the documents", false)
    .action(async (name: string, options: { yes: boolean }) =>
      (await import("./commands/collection.js")).deleteCollection(context, name, options, global()),
    );
}

function addDocuments(
  program: Command,
  context: Context,
  global: () => GlobalOptions,
  setExit: (code: number) => void,
): void {
  program
    .command("load")
    .description("write documents from a file or standard input")
    .argument("<collection>")
    .argument("[file]", "NDJSON or a JSON array; - for standard input", "-")
    .option("--id <field>", "field that holds the id (default: id, else the server makes one)")
    .option("--batch <lines>", "documents per request", integer(1, 10_000), 500)
    .option("--concurrency <n>", "requests on the way at once", integer(1, 64), 4)
    .addHelpText(
      "after",
      "\nExamples:\n  $ prism load notes notes.ndjson\n  $ zcat notes.ndjson.gz | prism load notes --id key",
    )
    .action(async (collection: string, file: string, options: LoadOptions) =>
      setExit(await (await import("./commands/load.js")).load(context, collection, file, options, global())),
    );
  const get = program
    .command("get")
    .description("show one document")
    .argument("<collection>")
    .argument("<id>")
    .option("--include <names>", "fields to show, separated by commas")
    .option("--shard-key <value>", "of the document, in collections that have a shard key");
  addReadLevel(get)
    .addHelpText("after", "\nExamples:\n  $ prism get notes a\n  $ prism get notes a --consistency strong")
    .action(async (collection: string, id: string, options: GetOptions) =>
      setExit(
        await (await import("./commands/get.js")).getDocument(context, collection, id, options, global()),
      ),
    );
  addSearch(program, context, global);
}

function addSearch(program: Command, context: Context, global: () => GlobalOptions): void {
  const search = program
    .command("search")
    .description("search a collection")
    .argument("<collection>")
    .argument("[text]", "text to look for")
    .option("--fields <names>", "text fields with boosts, such as title^2,body (default: all)")
    .option("--vector <field=[numbers]>", "a vector query; with a text: hybrid")
    .option("--filter <json>", 'such as {"field":"year","gte":1900}')
    .option("--include <names>", "fields to show, separated by commas")
    .option("--limit <n>", "results", integer(0, 10_000), 10)
    .option("--request <file>", "a whole request as JSON; - for standard input")
    .option("--explain", "say how each shard answered (with --json)", false);
  addReadLevel(search)
    .addHelpText(
      "after",
      '\nExamples:\n  $ prism search notes "war and taxes" --fields title^2,body\n  $ prism search notes --filter \'{"field":"year","gte":1900}\' --limit 3\n  $ prism search notes war --consistency bounded --max-staleness 2000',
    )
    .action(async (collection: string, text: string | undefined, options: SearchOptions) =>
      (await import("./commands/search.js")).search(context, collection, text, options, global()),
    );
}

function addVerify(
  program: Command,
  context: Context,
  global: () => GlobalOptions,
  setExit: (code: number) => void,
): void {
  program
    .command("verify")
    .description("compare the copies of every shard, at one sequence number, while writes go on")
    .argument("[collection]", "default: all collections")
    .option("--shards <numbers>", "only these, separated by commas", shardNumbers)
    .option("--differences <n>", "differing documents to name for each shard", integer(1, 1000), 10)
    .option("--timeout <seconds>", "for each shard", integer(1, 86_400), 600)
    .addHelpText("after", "\nExamples:\n  $ prism verify\n  $ prism verify notes --shards 0,2 --json")
    .action(async (collection: string | undefined, options: VerifyOptions) =>
      setExit(await (await import("./commands/verify.js")).verify(context, collection, options, global())),
    );
}

function addShard(program: Command, context: Context, global: () => GlobalOptions): void {
  const shard = program.command("shard").description("single shards");
  shard
    .command("accept-data-loss")
    .description("go on with what is left of a shard none of whose in-sync copies can be reached")
    .argument("<shard>", "<collection>/<number>, such as notes/0")
    .option("--copy <id>", "the copy to go on with (default: the one with the longest log)")
    .option("--yes-name <shard>", "the shard's name once more: accepts the loss without asking")
    .addHelpText(
      "after",
      "\nShows what is lost first. Refused while an in-sync copy lives or may turn up.\n\nExamples:\n  $ prism shard accept-data-loss notes/0",
    )
    .action(async (name: string, options: AcceptOptions) =>
      (await import("./commands/shard.js")).acceptDataLoss(context, name, options, global()),
    );
}

function addDebug(program: Command, context: Context, global: () => GlobalOptions): void {
  const debug = program.command("debug").description("for people who look for a fault");
  debug
    .command("bundle")
    .description("write status, maps, protocol events, metrics and log ends into one file")
    .argument("[file]", "default: prism-debug-<time>.json.gz")
    .action(async (file: string | undefined) =>
      (await import("./commands/debug-bundle.js")).debugBundle(context, file, global()),
    );
}

function forAll(command: Command, path: string, change: (command: Command, path: string) => unknown): void {
  change(command, path);
  for (const child of command.commands) forAll(child, `${path} ${child.name()}`, change);
}

function list(value: string): string[] {
  return value.split(",").filter((part) => part !== "");
}

function shardNumbers(value: string): number[] {
  if (/^\d{1,4}(,\d{1,4})*$/.test(value)) return value.split(",").map(Number);
  throw new InvalidArgumentError("must be numbers of shards, separated by commas.");
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`must be an integer from ${min} to ${max}.`);
  };
}
