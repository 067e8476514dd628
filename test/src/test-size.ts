/**
 * How much these tests do. By default as much as `make test` has time for; PRISM_TEST_FULL=1 runs the
 * full counts, PRISM_TEST_SEED another sequence of random choices.
 */
const FULL = process.env["PRISM_TEST_FULL"] === "1";

export function sized(byDefault: number, full: number): number {
  return FULL ? full : byDefault;
}

export const SEED = Number(process.env["PRISM_TEST_SEED"] ?? 1);

/** One line of figures for whoever reads the run. */
export function report(test: string, figures: Readonly<Record<string, unknown>>): void {
  console.log(`${test} (${FULL ? "full" : "default"} size, seed ${SEED}): ${JSON.stringify(figures)}`);
}
