/** A logger that says nothing: what happens is seen by the observers of the world. */
import type { Logger } from "pino";

const nothing = (): void => undefined;

const log = { info: nothing, warn: nothing, error: nothing, debug: nothing, trace: nothing, fatal: nothing };

export const SILENT_LOG = { ...log, child: () => SILENT_LOG } as unknown as Logger;
