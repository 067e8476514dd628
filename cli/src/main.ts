#!/usr/bin/env node
/** Entry of the `prism` command. */
import { runCommandLine } from "./command-line.js";

await runCommandLine();
