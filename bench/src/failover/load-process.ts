/** The load as a process of its own: it must not hold up the control plane, nor be held up by it. */
import { Load } from "./load.js";
import type { FromLoad, ToLoad } from "./load-message.js";

let load: Load | undefined;

function running(): Load {
  if (load === undefined) throw new Error("the load has not been started");
  return load;
}

async function handle(message: ToLoad): Promise<void> {
  switch (message.kind) {
    case "start":
      load = new Load(message.settings);
      return;
    case "forget":
      running().forget();
      return;
    case "gaps":
      return send({ kind: "gaps", id: message.id, gaps: running().gapsAt(message.faultMs) });
    case "counts":
      return send({ kind: "counts", id: message.id, counts: running().counts() });
    case "stop": {
      const documents = await running().stop();
      return send({ kind: "stopped", id: message.id, counts: running().counts(), documents });
    }
  }
}

function send(message: FromLoad): void {
  process.send?.(message);
}

process.on("message", (message: ToLoad) => {
  handle(message).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
});
process.on("disconnect", () => process.exit(0));
