/** Which rows an evaluation of our own engine has: formats of one model, and checkpoints made from it. */
import { basename } from "node:path";
import type { Command } from "commander";
import { QuantlabError } from "../base/errors.ts";
import { resolveModel } from "../checkpoint/resolve.ts";
import { formatByName, formatOfCheckpoint, formats, kernelOf } from "../formats/registry.ts";
import { kernelOption } from "./engine-options.ts";

/** Flags that name the rows. */
export interface RowFlags {
  readonly model?: string;
  readonly formats?: readonly string[];
  readonly checkpoints?: readonly string[];
  readonly kernel?: string;
}

/** One row: what is loaded, and as what. */
export interface ModelRow {
  readonly label: string;
  /** "bundled", "dummy:SHAPE" or a folder. */
  readonly model: string;
  readonly format: string;
  /** A second kernel of the format. */
  readonly kernel?: string | undefined;
}

export const defaultEvalModel = "bundled";

export const commaSeparated = (text: string) => text.split(",").map((word) => word.trim());

/** Adds the flags of RowFlags. */
export function addRowFlags(command: Command): Command {
  const names = formats.map((format) => format.name).join(",");
  return command
    .addOption(kernelOption())
    .option("--model <model>", `bundled, dummy:SHAPE or a folder (default: ${defaultEvalModel})`)
    .option("--formats <list>", `of ${names}, quantized while loading`, commaSeparated)
    .option(
      "--checkpoints <list>",
      "folders of quantized checkpoints of the model",
      commaSeparated,
    );
}

/** With --kernel the rows whose format has it take it, and say so in their labels. */
function withKernel(row: ModelRow, kernel: string | undefined): ModelRow {
  const has = formatByName(row.format).otherKernels?.some((name) => name === kernel) ?? false;
  return has ? { ...row, label: `${row.label}-${kernel}`, kernel } : row;
}

/**
 * The formats, then the checkpoints under their folders' names.
 * @param otherwise formats where neither flag is given
 * @throws usage, format-unsupported, and what resolveModel throws
 */
export function modelRows(flags: RowFlags, otherwise: readonly string[]): ModelRow[] {
  const { model = defaultEvalModel, checkpoints = [] } = flags;
  const names = flags.formats ?? (checkpoints.length === 0 ? otherwise : []);
  const rows = [
    ...names.map((name) => {
      const { name: format } = formatByName(name);
      return { label: format, model, format };
    }),
    ...checkpoints.map((folder) => ({
      label: basename(folder),
      model: folder,
      format: formatOfCheckpoint(resolveModel(folder).config.quantization).name,
    })),
  ].map((row) => withKernel(row, flags.kernel));
  const [first] = rows;
  if (first !== undefined && rows.every(({ kernel }) => kernel === undefined)) {
    kernelOf(formatByName(first.format), flags.kernel);
  }
  const labels = rows.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice === undefined) return rows;
  throw new QuantlabError("usage", `"${twice}" would name two rows`, {
    hint: "name each format and each checkpoint's folder once",
  });
}
