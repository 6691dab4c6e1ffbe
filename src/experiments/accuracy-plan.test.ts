import { describe, expect, it } from "vitest";
import {
  accuracyModel,
  accuracyRows,
  accuracySkip,
  isAccuracyApart,
  questionsPath,
} from "./accuracy-plan.ts";
import { completeConfig } from "./complete.ts";
import { profileByName } from "./profiles.ts";

const { draft } = profileByName("quick");
const lab = completeConfig(draft, "dummy:tiny");
const folder = new URL("../../models/gsm-tiny", import.meta.url).pathname;

describe("where accuracy is measured", () => {
  it("is the bundled model when the lab's is a dummy on our engine", () => {
    expect(accuracyModel(lab)).toBe("bundled");
    expect(isAccuracyApart(lab)).toBe(true);
    expect(accuracySkip(lab)).toBeUndefined();
    expect(questionsPath(lab)).toMatch(/gsm-synth\/larger\.jsonl$/);
  });

  it("is the lab's own model when that is trained, or the one that the configuration names", () => {
    expect(accuracyModel({ ...lab, model: folder })).toBe(folder);
    const accuracy = { task: "gsm8k" as const, numFewshot: 0, limit: 1, model: folder };
    expect(accuracyModel({ ...lab, experiments: { accuracy } })).toBe(folder);
  });

  it("is nowhere when another server has dummy weights", () => {
    const config = { ...lab, target: "vllm" as const };
    expect(accuracyModel(config)).toBeUndefined();
    expect(isAccuracyApart(config)).toBe(false);
    expect(accuracySkip(config)).toContain("not trained");
    expect(accuracyRows(config)).toEqual([]);
  });
});

describe("rows of accuracy", () => {
  it("calibrate AWQ for the bundled model, with round-to-nearest beside it", () => {
    expect(accuracyRows(lab)).toMatchObject([
      { label: "bf16", model: "bundled", calibrated: false },
      { label: "fp8", model: "bundled", calibrated: false },
      { label: "awq", model: "bundled", calibrated: true },
      { label: "int4-rtn", model: "bundled", format: "awq", calibrated: false },
    ]);
  });

  it("call round-to-nearest by its name where nothing calibrates, and take a checkpoint as it is", () => {
    const config = {
      ...lab,
      model: folder,
      formats: [
        { label: "awq", format: "awq" },
        { label: "mine", format: "awq", checkpoint: "some/where" },
      ],
    };
    expect(accuracyRows(config)).toMatchObject([
      { label: "int4-rtn", model: folder, isReadyCheckpoint: false },
      { label: "mine", model: "some/where", isReadyCheckpoint: true },
    ]);
  });

  it("do not use a checkpoint of another model", () => {
    const formats = [{ label: "mine", format: "fp8", checkpoint: "some/where" }];
    expect(accuracyRows({ ...lab, formats })).toMatchObject([
      { label: "mine", model: "bundled", isReadyCheckpoint: false },
    ]);
  });
});
