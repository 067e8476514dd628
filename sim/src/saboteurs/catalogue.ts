/** All saboteurs, in the order of the report. */
import { COPY_SABOTEURS } from "./copy-saboteurs.js";
import { PRIMARY_SABOTEURS } from "./primary-saboteurs.js";
import { RECORD_SABOTEURS } from "./record-saboteurs.js";
import { SYSTEM_SABOTEURS } from "./system-saboteurs.js";
import type { Saboteur } from "./saboteur.js";

export const SABOTEURS: readonly Saboteur[] = [
  ...COPY_SABOTEURS,
  ...PRIMARY_SABOTEURS,
  ...RECORD_SABOTEURS,
  ...SYSTEM_SABOTEURS,
];
