/** Progress of a long step: a bar on a terminal, elsewhere a line every few seconds. */
import { SingleBar } from "cli-progress";

const LINE_INTERVAL_MS = 5000;

export interface Progress {
  update(done: number): void;
  stop(): void;
}

export function startProgress(stream: NodeJS.WriteStream, label: string, total: number): Progress {
  return stream.isTTY ? startBar(stream, label, total) : startLines(stream, label, total);
}

function startBar(stream: NodeJS.WriteStream, label: string, total: number): Progress {
  const bar = new SingleBar({
    stream,
    format: `  ${label} {bar} {value}/{total}  {eta_formatted} left`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 32,
    hideCursor: true,
    etaBuffer: 100,
  });
  bar.start(total, 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}

function startLines(stream: NodeJS.WriteStream, label: string, total: number): Progress {
  const startedMs = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const perSecond = (done / (performance.now() - startedMs)) * 1000;
    stream.write(`  ${label} ${done}/${total}  ${perSecond.toFixed(0)}/s\n`);
  }, LINE_INTERVAL_MS);
  return { update: (now) => void (done = now), stop: () => clearInterval(timer) };
}
