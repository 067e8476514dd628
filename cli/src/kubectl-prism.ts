#!/usr/bin/env node
/** Entry of `kubectl prism`: kubectl finds its plugins by their file names. */
import { runCommandLine } from "./command-line.js";

await runCommandLine({ plugin: true });
