/** Reads INT4 matrices of the layouts that checkpoints use, stacked by rows, as canonical tensors. */
import { QuantlabError } from "../../base/errors.ts";
import type { TensorSource } from "../../checkpoint/tensor-source.ts";
import { compressedTensors } from "../compressed-tensors.ts";
import { commonColumns, matrixShape } from "../dense.ts";
import type { CanonicalMatrix, FormatOptions } from "../format.ts";
import {
  floatDtypes,
  readExpected,
  readScalesAsF16,
  readWords,
  requireQuantized,
} from "../tensors.ts";
import { unpackColumns, unpackGemm, unpackRows } from "./codec.ts";
import { requireGroupSize } from "./config.ts";
import { type AwqTensors, middleCode } from "./quantize.ts";

const groupHint = "check group_size in config.json: it does not fit these tensors";

/** One module's part of the stacked tensors, to be filled. */
interface Part {
  readonly module: string;
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
  readonly target: AwqTensors;
}

/** Which tensor holds the codes, and how the parts of a module are read. */
interface Reader {
  readonly suffix: string;
  shapeOf(source: TensorSource, module: string): { rows: number; columns: number };
  fill(source: TensorSource, part: Part, options: FormatOptions): void;
}

/**
 * Canonical tensors of modules in the layout that `options` names: codes 0..15 [rows, columns], F16
 * scales and zero points [rows, columns / group]. @throws checkpoint-mismatch, format-unsupported
 */
export function readAwq(
  source: TensorSource,
  modules: readonly string[],
  options: FormatOptions,
): CanonicalMatrix {
  const reader = options.layout === compressedTensors ? packed : gemm;
  const groupSize = requireGroupSize(options.groupSize);
  const shapes = modules.map((module) => {
    requireQuantized(source, module, reader.suffix, ["I32"], "awq");
    return { module, ...reader.shapeOf(source, module) };
  });
  const columns = commonColumns(
    source,
    modules,
    shapes.map((shape) => shape.columns),
  );
  if (columns % groupSize !== 0) {
    throw new QuantlabError(
      "checkpoint-mismatch",
      `${source.label}: ${modules.join(", ")} have ${columns} columns, which groups of ${groupSize} do not divide`,
      { hint: "config.json says this group_size; it does not belong to these tensors" },
    );
  }
  const rows = shapes.reduce((sum, shape) => sum + shape.rows, 0);
  const groups = columns / groupSize;
  const codes = new Uint8Array(rows * columns);
  const scale = new Uint16Array(rows * groups);
  const zero = new Uint8Array(rows * groups);
  let row = 0;
  for (const shape of shapes) {
    const end = row + shape.rows;
    const target = {
      codes: codes.subarray(row * columns, end * columns),
      scale: scale.subarray(row * groups, end * groups),
      zero: zero.subarray(row * groups, end * groups),
    };
    reader.fill(source, { ...shape, groups, target }, options);
    row = end;
  }
  return { rows, columns, tensors: { codes, scale, zero } };
}

/**
 * AutoAWQ "GEMM": `NAME.qweight` I32 [inputs, outputs / 8], `NAME.qzeros` I32 [groups, outputs / 8]
 * and `NAME.scales` F16 [groups, outputs]: everything transposed.
 */
const gemm: Reader = {
  suffix: "qweight",
  shapeOf(source, module) {
    const name = `${module}.qweight`;
    const { rows, columns } = matrixShape(source, name, source.info(name));
    return { rows: columns * 8, columns: rows };
  },
  fill(source, { module, rows, columns, groups, target }) {
    const words = readWords(source, `${module}.qweight`, [columns, rows / 8]);
    unpackGemm(words, columns, rows, target.codes);
    const zeros = readWords(source, `${module}.qzeros`, [groups, rows / 8], groupHint);
    unpackGemm(zeros, groups, rows, target.zero);
    const name = `${module}.scales`;
    const stored = readScalesAsF16(source, name, [groups, rows], ["F16"], groupHint);
    for (let g = 0; g < groups; g++) {
      for (let row = 0; row < rows; row++) {
        target.scale[row * groups + g] = stored[g * rows + row] ?? 0;
      }
    }
  },
};

/**
 * compressed-tensors "pack-quantized": `NAME.weight_packed` I32 [rows, columns / 8], `NAME.weight_scale`
 * [rows, groups], `NAME.weight_shape` I64 [2], and, where asymmetric, `NAME.weight_zero_point` I32
 * [rows / 8, groups]. Signed codes and zero points with 8 added, which makes them ours.
 */
const packed: Reader = {
  suffix: "weight_packed",
  shapeOf(source, module) {
    const name = `${module}.weight_packed`;
    const { rows, columns } = matrixShape(source, name, source.info(name));
    return { rows, columns: columns * 8 };
  },
  fill(source, { module, rows, columns, groups, target }, options) {
    requireShape(source, module, rows, columns);
    const words = readWords(source, `${module}.weight_packed`, [rows, columns / 8]);
    unpackColumns(words, target.codes);
    const name = `${module}.weight_scale`;
    target.scale.set(readScalesAsF16(source, name, [rows, groups], floatDtypes, groupHint));
    if (options.symmetric === true) target.zero.fill(middleCode);
    else {
      const shape = [Math.ceil(rows / 8), groups];
      const zeros = readWords(source, `${module}.weight_zero_point`, shape, groupHint);
      unpackRows(zeros, rows, groups, target.zero);
    }
  },
};

/** `weight_shape` repeats what the packed tensor implies, so a difference is a damaged file. */
function requireShape(source: TensorSource, module: string, rows: number, columns: number): void {
  const name = `${module}.weight_shape`;
  const { bytes } = readExpected(source, name, ["I64"], [[2]]);
  const [foundRows, foundColumns] = new BigInt64Array(bytes.buffer, bytes.byteOffset, 2);
  if (foundRows === BigInt(rows) && foundColumns === BigInt(columns)) return;
  throw new QuantlabError(
    "checkpoint-mismatch",
    `${source.label}: ${name} says [${foundRows}, ${foundColumns}], the packed tensor holds [${rows}, ${columns}]`,
  );
}
