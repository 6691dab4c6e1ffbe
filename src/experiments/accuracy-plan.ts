/** Where accuracy is measured: on which model, in which rows, with which questions. */
import { fileURLToPath } from "node:url";
import { isBundledModelPresent, resolveModel } from "../checkpoint/resolve.ts";
import { formatByName } from "../formats/registry.ts";
import type { LabConfig } from "./config.ts";

const bundledModel = "bundled";
const untrained = "this checkpoint is not trained: its answers mean nothing";

/**
 * Questions of our own that come with the bundled model, with numbers above those of its training: it
 * is right on most, not on all, so that a loss can show. Shots are drawn from train.jsonl beside it.
 */
export const bundledTestPath = fileURLToPath(
  new URL("../../models/gsm-tiny/gsm-synth/larger.jsonl", import.meta.url),
);

/** Questions in flight. */
export const accuracyConcurrency = 32;
/** Contexts beyond this cost cache that no prompt of GSM8K fills. */
const longestContext = 4096;

const isDummy = (model: string) => model.startsWith("dummy:");

/**
 * The model whose answers are scored: the lab's own, or the bundled trained one where the lab's is
 * dummy weights on our engine. undefined where neither means anything.
 */
export function accuracyModel(config: LabConfig): string | undefined {
  const given = config.experiments.accuracy?.model;
  if (given !== undefined) return given;
  if (!isDummy(config.model)) return config.model;
  return config.target === "embedded" && isBundledModelPresent() ? bundledModel : undefined;
}

/** Why accuracy and divergence are not measured; undefined when they are. */
export function accuracySkip(config: LabConfig): string | undefined {
  return accuracyModel(config) === undefined ? untrained : undefined;
}

/**
 * Whether accuracy has servers of its own, after the lab's: on our engine, where a start costs a
 * second and AWQ is calibrated for it. Elsewhere the lab's servers answer.
 */
export function isAccuracyApart(config: LabConfig): boolean {
  return config.target === "embedded" && accuracyModel(config) !== undefined;
}

/** Where the questions are. */
export function questionsPath(config: LabConfig): string {
  return config.experiments.accuracy?.path ?? bundledTestPath;
}

/** A row of accuracy's own blocks. */
export interface AccuracyRow {
  readonly label: string;
  readonly format: string;
  /** What is loaded: the model, or its checkpoint in this format. */
  readonly model: string;
  readonly isReadyCheckpoint: boolean;
  /** Whether the model is quantized with calibration data before the server starts. */
  readonly calibrated: boolean;
}

/**
 * The lab's rows. A format that looks at activations while it quantizes (AWQ) is calibrated for the
 * bundled model, and the same format rounded to nearest stands beside it: what calibration buys.
 * For other models calibration takes too long to happen unasked: their row is rounded to nearest,
 * and called so, unless the configuration names a checkpoint.
 */
export function accuracyRows(config: LabConfig): AccuracyRow[] {
  const model = accuracyModel(config);
  if (model === undefined) return [];
  // A checkpoint of the lab's model says nothing about the bundled one.
  const isOther = model !== config.model;
  return config.formats.flatMap(({ label, format, checkpoint }): AccuracyRow[] => {
    const ready = isOther ? undefined : checkpoint;
    const row = {
      label,
      format,
      model: ready ?? model,
      isReadyCheckpoint: ready !== undefined,
      calibrated: false,
    };
    const rounded = ready === undefined ? roundedLabel(model, format) : undefined;
    if (rounded === undefined) return [row];
    const plain = { ...row, label: rounded };
    return model === bundledModel ? [{ ...row, calibrated: true }, plain] : [plain];
  });
}

/** "int4-rtn": what the format is without calibration; undefined where it needs none. */
function roundedLabel(model: string, name: string): string | undefined {
  const format = formatByName(name);
  const { config } = resolveModel(model);
  const options = format.resolve(config);
  if (format.quantizer?.needsCalibration(options) !== true) return undefined;
  return `int${Math.floor(format.bitsPerWeight(config.hiddenSize, options))}-rtn`;
}

/** Limits of accuracy's own servers. */
export function accuracyLimits(config: LabConfig): { maxModelLen: number; maxNumSeqs: number } {
  const { maxPositions } = resolveModel(accuracyModel(config) ?? config.model).config;
  return {
    maxModelLen: Math.min(maxPositions, longestContext),
    maxNumSeqs: accuracyConcurrency,
  };
}
