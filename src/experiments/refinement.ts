/** Batch sizes that a run adds to its plan to narrow a crossover: what is planned for them, how many are left. */
import type { CellKey } from "../results/run.ts";
import type { LabConfig } from "./config.ts";
import { settingOf, throughput } from "./throughput.ts";

/** The configuration as it would be with these batch sizes too; the stored one stays as it was. */
export function withBatches(config: LabConfig, added: readonly number[]): LabConfig {
  const settings = config.experiments.throughput;
  if (settings === undefined || added.length === 0) return config;
  const batchSizes = [...new Set([...settings.batchSizes, ...added])].sort((a, b) => a - b);
  return {
    ...config,
    experiments: { ...config.experiments, throughput: { ...settings, batchSizes } },
  };
}

/** Batch sizes among a run's cells that its configuration does not name. */
export function addedBatches(config: LabConfig, cells: readonly CellKey[]): number[] {
  const named = new Set(config.experiments.throughput?.batchSizes.map(settingOf));
  const settings = cells
    .filter(({ experiment, setting }) => experiment === throughput.name && !named.has(setting))
    .map(({ setting }) => Number(setting.slice(setting.lastIndexOf("-") + 1)));
  return [...new Set(settings)].sort((a, b) => a - b);
}

/** How many batch sizes the run may still add. */
export function batchesLeft(config: LabConfig, cells: readonly CellKey[]): number {
  const allowed = config.experiments.throughput?.refineBatches ?? 0;
  return Math.max(0, allowed - addedBatches(config, cells).length);
}

/** Of the batch sizes that would narrow a crossover, those that the run may still add. */
export function batchesToAdd(
  config: LabConfig,
  cells: readonly CellKey[],
  wanted: readonly number[],
): number[] {
  return wanted.filter((batch) => batch <= config.maxNumSeqs).slice(0, batchesLeft(config, cells));
}
