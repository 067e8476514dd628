/** What happened in a run, for people: one line per happening, under the node or control plane it happened to. */

export interface TimelineEntry {
  readonly atMs: number;
  readonly actor: string;
  readonly text: string;
}

/** Collects what a world's trace says. */
export class Timeline {
  readonly entries: TimelineEntry[] = [];

  readonly trace = (line: string): void => {
    const match = /^\s*([\d.]+) (?:([a-z0-9-]+): )?(.*)$/s.exec(line);
    if (match === null) return;
    this.entries.push({ atMs: Number(match[1]), actor: match[2] ?? "world", text: match[3] ?? "" });
  };

  /** In order of time, the newest `count`; with `perActor`, each actor's own part below its name. */
  format(options: { readonly count: number; readonly perActor: boolean }): string[] {
    const last = this.entries.slice(-options.count);
    if (!options.perActor) {
      const width = Math.max(...last.map(({ actor }) => actor.length), 0);
      return last.map((entry) => `${timeOf(entry)}  ${entry.actor.padEnd(width)}  ${entry.text}`);
    }
    const actors = [...new Set(last.map(({ actor }) => actor))].sort();
    return actors.flatMap((actor) => [
      actor,
      ...last.filter((entry) => entry.actor === actor).map((entry) => `  ${timeOf(entry)}  ${entry.text}`),
    ]);
  }
}

function timeOf({ atMs }: TimelineEntry): string {
  return `${(atMs / 1000).toFixed(4).padStart(9)} s`;
}
