import { describe, expect, it } from "vitest";
import { devices } from "../roofline/devices.ts";
import { type FormatCost, modelTraffic } from "../roofline/traffic.ts";
import { referenceRuns } from "./reference.ts";
import { cellResultSchema, manifestSchema } from "./run.ts";

const llama8b = {
  hiddenSize: 4096,
  intermediateSize: 14336,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  vocabSize: 128256,
  tieWordEmbeddings: false,
  qkvBias: false,
  qkNorm: false,
};

describe("the published run", () => {
  it("obeys the schemas of any run", () => {
    for (const { manifest, results } of referenceRuns) {
      expect(manifestSchema.parse(manifest)).toEqual(manifest);
      for (const result of results) expect(cellResultSchema.parse(result)).toEqual(result);
      expect(results).toHaveLength(manifest.cells.length);
    }
  });

  it("names devices of the roofline's table", () => {
    const known = new Set(devices.map(({ name }) => name));
    for (const { manifest } of referenceRuns) {
      expect(known.has(manifest.published?.device ?? "")).toBe(true);
    }
  });

  it.each([
    ["bf16", { name: "bf16", bitsPerWeight: () => 16 }],
    ["awq-plain", { name: "awq", bitsPerWeight: () => 4.15625 }],
  ] as [string, FormatCost][])(
    "holds the traffic that the roofline computes for %s",
    (label, format) => {
      expect(referenceRuns[0]?.manifest.traffic?.[label]).toEqual(
        modelTraffic(llama8b, format, {}),
      );
    },
  );

  it("reads 8 030 528 384 bytes a step in FP8 with a scale per linear", () => {
    expect(referenceRuns[0]?.manifest.traffic?.fp8?.stepWeightBytes).toBe(8_030_528_384);
  });

  it("says that accuracy was not measured", () => {
    for (const { results } of referenceRuns) {
      const accuracy = results.filter(({ quantlab }) => quantlab.key.experiment === "accuracy");
      expect(accuracy.length).toBeGreaterThan(0);
      for (const { quantlab } of accuracy) {
        expect(quantlab.status).toBe("skipped");
        expect(quantlab.reason).toMatch(/not measured/);
      }
    }
  });
});
