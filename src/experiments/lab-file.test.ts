import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { QuantlabError } from "../base/errors.ts";
import { applyOverrides, completeConfig } from "./complete.ts";
import { parseLabFile } from "./lab-file.ts";
import { profileByName, profiles } from "./profiles.ts";

function problemOf(text: string): string {
  try {
    parseLabFile(text, "lab.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(QuantlabError);
    if (error instanceof QuantlabError) {
      expect(error.code).toBe("config-invalid");
      return error.message;
    }
  }
  return "no problem found";
}

describe("lab.yaml", () => {
  it("spells out the short forms of formats", () => {
    const { formats } = parseLabFile(
      [
        "formats:",
        "  - bf16",
        "  - awq: { checkpoint: some/folder }",
        "  - awq: { checkpoint: some/folder, kernel: plain, label: awq-plain }",
        "  - { format: fp8, label: eight }",
      ].join("\n"),
      "lab.yaml",
    );
    expect(formats).toEqual([
      { label: "bf16", format: "bf16" },
      { label: "awq", format: "awq", checkpoint: "some/folder" },
      { label: "awq-plain", format: "awq", checkpoint: "some/folder", kernel: "plain" },
      { label: "eight", format: "fp8" },
    ]);
  });

  it("runs only the experiments that it names, the rest of their settings from the profile", () => {
    const { experiments } = parseLabFile(
      "profile: quick\nexperiments:\n  latency: { outputLen: 7 }\n  throughput:\n",
      "lab.yaml",
    );
    const { draft } = profileByName("quick");
    expect(experiments).toEqual({
      latency: { ...draft.experiments.latency, outputLen: 7 },
      throughput: draft.experiments.throughput,
      memory: {},
    });
  });

  it("points at the line of each problem", () => {
    expect(problemOf("model: x\nformats:\n  - bf16\n  - fp9\n")).toMatch(
      /^lab\.yaml:4: formats\.1\.format: there is no format "fp9"; the formats are bf16, fp8, awq, int8$/,
    );
    expect(problemOf("model: x\nexperiments:\n  latency:\n    outputlen: 3\n")).toMatch(
      /^lab\.yaml:4: experiments\.latency\.outputlen: Unrecognized key/,
    );
    expect(problemOf("model: x\nrepeats: none\nseed: -1\n")).toMatch(
      /^lab\.yaml:2: repeats: .*number.*\nlab\.yaml:3: seed: /,
    );
    expect(problemOf("model: x\n  bad: [1\n")).toMatch(/^lab\.yaml:\d+: /);
    expect(problemOf("formats: [bf16, bf16]")).toMatch(/^lab\.yaml:1: formats: two formats/);
    expect(problemOf("- 1\n")).toMatch(/^lab\.yaml:1: the file: /);
  });

  it("reads the example", () => {
    const path = new URL("../../examples/lab.yaml", import.meta.url);
    const draft = parseLabFile(readFileSync(path, "utf8"), "examples/lab.yaml");
    expect(completeConfig(draft, draft.model ?? "").experiments.serving?.requestRates).toEqual([
      1,
      4,
      "inf",
    ]);
  });
});

describe("completeConfig", () => {
  it("derives the limits from the lengths, for every profile", () => {
    for (const { draft } of profiles) {
      const config = completeConfig(draft, draft.model ?? "dummy:tiny");
      expect(config.maxNumSeqs).toBeGreaterThanOrEqual(64);
      expect(config.maxModelLen % 64).toBe(0);
    }
  });

  it("refuses limits that the experiments do not fit", () => {
    const { draft } = profileByName("quick");
    expect(() => completeConfig({ ...draft, maxModelLen: 10 }, "m")).toThrow(
      /send up to 256 tokens/,
    );
    expect(() => completeConfig({ ...draft, maxNumSeqs: 32 }, "m")).toThrow(/batch of 64/);
  });
});

describe("applyOverrides", () => {
  it("lets flags win, and leaves the rest", () => {
    const { draft } = profileByName("quick");
    const changed = applyOverrides(draft, { formats: ["awq"], model: "m", threads: undefined });
    expect(changed).toEqual({ ...draft, formats: [{ label: "awq", format: "awq" }], model: "m" });
    expect(() => applyOverrides(draft, { formats: ["int3"] })).toThrow(/there is no format "int3"/);
    expect(() => applyOverrides(draft, { target: "tgi" })).toThrow(/there is no target "tgi"/);
  });
});
