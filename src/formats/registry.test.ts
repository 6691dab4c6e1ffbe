/** Every registered format passes conformance.ts, and a checkpoint is in one format only. */
import { describe, expect, test } from "vitest";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { loadEveryIsa } from "../kernels/every-isa.ts";
import { awq } from "./awq/index.ts";
import { describeFormat } from "./conformance.ts";
import { bf16ToFloat, floatToBf16 } from "./float16.ts";
import type { Format } from "./format.ts";
import { fp8 } from "./fp8/index.ts";
import { formatByName, formatOfCheckpoint, formats } from "./registry.ts";

const variants = loadEveryIsa();

for (const format of formats) {
  // Formats with groups choose one by the model's shape: these columns leave them no other.
  for (const columns of [32, 64, 128]) {
    const options = format.resolve({
      ...shapeConfig("smollm2-135m"),
      hiddenSize: columns,
      intermediateSize: columns,
      heads: 1,
      headDim: columns,
    });
    const step = options.groupSize ?? 1;
    if (step === 1 && columns > 32) continue;
    describeFormat(format, { options, step }, variants);
  }
}

// The same format with block-wise scales, and with its second kernel, which rounds weights to BF16.
describeFormat(fp8, { options: { granularity: "block", groupSize: 128 }, step: 1 }, variants);
const plain: Format = {
  ...awq,
  dequantize(...tensors) {
    const matrix = awq.dequantize(...tensors);
    return { ...matrix, values: matrix.values.map((value) => bf16ToFloat(floatToBf16(value))) };
  },
};
describeFormat(plain, { options: { groupSize: 64, kernel: "plain" }, step: 64 }, variants);

describe("the registry", () => {
  test("the addon holds a kernel for each format", () => {
    const names = formats.map((format) => format.name).sort();
    for (const { kernels } of variants) expect(kernels.formats().sort()).toEqual(names);
  });

  test("each layout's configuration is detected by its own format and by no other", () => {
    for (const format of formats) {
      for (const layout of format.layouts) {
        const config = layout.configOf({ groupSize: 128 }, ["lm_head"]);
        const detecting = formats.filter((candidate) => candidate.detect(config));
        expect(detecting.map(({ name }) => name)).toEqual([format.name]);
      }
    }
    expect(formatOfCheckpoint(undefined).name).toBe("bf16");
  });

  test("unknown names and methods are refused", () => {
    expect(() => formatByName("int3")).toThrow(/no format "int3"/);
    expect(() => formatOfCheckpoint({ quant_method: "gptq" })).toThrow(/gptq/);
  });
});
