import { describe, expect, it } from "vitest";
import { shapeConfig } from "../checkpoint/shapes.ts";
import { inverseFrequencies } from "./rope.ts";

const plain = (name: string) =>
  inverseFrequencies({ ...shapeConfig(name), ropeScaling: { type: "default" } });

function expectClose(found: number | undefined, expected: number): void {
  expect(Math.abs((found ?? Number.NaN) / expected - 1)).toBeLessThan(2e-6);
}

describe("inverse frequencies with the llama3 scaling", () => {
  // [index, unscaled, scaled], computed with FP32 powers by the reference formula.
  it.each([
    ["llama-3.1-8b", 16, 3.760603e-2, 3.760603e-2],
    ["llama-3.1-8b", 29, 2.616099e-3, 2.16657e-3],
    ["llama-3.1-8b", 31, 1.736047e-3, 8.567515e-4],
    ["llama-3.1-8b", 34, 9.384739e-4, 1.785078e-4],
    ["llama-3.1-8b", 63, 2.455141e-6, 3.068926e-7],
    ["llama-3.2-1b", 15, 2.13112e-3, 1.290548e-3],
    ["llama-3.2-1b", 16, 1.414213e-3, 4.295567e-4],
    ["llama-3.2-1b", 17, 9.384739e-4, 9.708287e-5],
    ["llama-3.2-1b", 31, 3.013858e-6, 9.418307e-8],
  ])("%s at %i: %f becomes %f", (name, j, unscaled, scaled) => {
    expectClose(plain(name)[j], unscaled);
    expectClose(inverseFrequencies(shapeConfig(name))[j], scaled);
  });

  it.each([
    ["llama-3.1-8b", 8, 28, 35],
    ["llama-3.2-1b", 32, 14, 18],
  ])(
    "%s keeps the fast ones and divides the slow ones by %i",
    (name, factor, lastKept, firstScaled) => {
      const before = plain(name);
      const after = inverseFrequencies(shapeConfig(name));
      for (const [j, frequency] of before.entries()) {
        const ratio = frequency / (after[j] ?? Number.NaN);
        if (j <= lastKept) expect(ratio).toBe(1);
        else if (j >= firstScaled) expectClose(ratio, factor);
        else expect(ratio > 1 && ratio < factor).toBe(true);
      }
    },
  );
});

describe("inverse frequencies", () => {
  it("are powers of theta, divided by a linear factor", () => {
    const shape = { headDim: 4, ropeTheta: 10000 };
    expect([...inverseFrequencies({ ...shape, ropeScaling: { type: "default" } })]).toEqual([
      1,
      Math.fround(0.01),
    ]);
    const halved = inverseFrequencies({ ...shape, ropeScaling: { type: "linear", factor: 2 } });
    expect([...halved]).toEqual([0.5, Math.fround(0.005)]);
  });
});
