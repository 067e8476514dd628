/** What a part of the run is given by the whole. */
export interface Stage {
  /** For this part alone; removed when the run ends. */
  readonly dataDirectory: string;
  /** Added to the environment of nodes. */
  readonly nodeEnv: Readonly<Record<string, string>>;
  readonly progress: (line: string) => void;
  /** Called when the run ends, however it ends; what was done already must be done twice without harm. */
  readonly onCleanUp: (step: () => Promise<void>) => void;
}
