/** The text of several registries as one: each metric's header once, then its samples from all of them. */
import type { Registry } from "prom-client";

const NAME = /^# (?:HELP|TYPE) (\S+)/;

export async function mergedMetrics(registries: readonly Registry[]): Promise<string> {
  const merged = new Map<string, { readonly header: Set<string>; readonly samples: string[] }>();
  for (const registry of registries) {
    let current = { header: new Set<string>(), samples: [] as string[] };
    for (const line of (await registry.metrics()).split("\n")) {
      const name = NAME.exec(line)?.[1];
      if (name !== undefined) {
        current = merged.get(name) ?? { header: new Set<string>(), samples: [] };
        merged.set(name, current);
        current.header.add(line);
      } else if (line !== "") current.samples.push(line);
    }
  }
  return [...merged.values()].flatMap(({ header, samples }) => [...header, ...samples]).join("\n") + "\n";
}
