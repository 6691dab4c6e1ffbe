/** Every command of the binary, each loaded only when it is named. */
import type { Command } from "commander";

export interface CommandEntry {
  readonly name: string;
  /** One line for `quantlab --help`. */
  readonly summary: string;
  /** Imports the command's file and builds it; its libraries are not loaded before. */
  load(): Promise<Command>;
}

/** In the order in which help shows them. */
export const commands: readonly CommandEntry[] = [];
