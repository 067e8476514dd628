/** The sample objects of crds/samples. */
import { readdirSync, readFileSync } from "node:fs";

const SAMPLES = new URL("../../../crds/samples/", import.meta.url);
const REFUSED = /^# refused: (.+)\n/;

export interface Sample {
  readonly name: string;
  /** Without comments about the sample itself; one after another is applied. */
  readonly documents: readonly string[];
  /** What the API server says to the last document of a bad sample. */
  readonly refused: string;
}

export function readSamples(folder: "good" | "bad"): Sample[] {
  const directory = new URL(`${folder}/`, SAMPLES);
  return readdirSync(directory).map((name) => {
    const text = readFileSync(new URL(name, directory), "utf8");
    const refused = REFUSED.exec(text)?.[1] ?? "";
    if ((refused === "") !== (folder === "good"))
      throw new Error(
        `${folder}/${name}: a bad sample begins with "# refused: <sentence>", a good one does not`,
      );
    return { name, documents: text.split(/^---\n/m), refused };
  });
}

/** The CustomResourceDefinitions, one file after another. */
export function readCrds(): string {
  const directory = new URL("../", SAMPLES);
  const files = readdirSync(directory).filter((name) => name.endsWith(".yaml"));
  return files.map((name) => readFileSync(new URL(name, directory), "utf8")).join("---\n");
}
