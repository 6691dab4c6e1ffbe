/** The name of a run's folder. */
import { basename } from "node:path";
import type { LabConfig } from "../experiments/config.ts";

/** "20261124-051200-quick-llama-3.2-1b": sorts by time, says what it is. */
export function runName(config: LabConfig, now: Date): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\..*/g, "")
    .replace("T", "-");
  const model = basename(config.model.replace(/^dummy:/, "")).replace(/[^A-Za-z0-9._-]+/g, "-");
  return `${time}-${config.profile}-${model}`;
}
