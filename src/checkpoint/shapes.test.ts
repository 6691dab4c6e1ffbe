import { describe, expect, it } from "vitest";
import { parameterCounts, shapeConfig, shapeNames } from "./shapes.ts";

describe("named shapes", () => {
  // Parameters of the published models, by group.
  it.each([
    ["llama-3.1-8b", 525_336_576, 525_336_576, 6_979_321_856, 266_240, 8_030_261_248],
    ["llama-3.2-1b", 262_668_288, 0, 973_078_528, 67_584, 1_235_814_400],
    ["smollm2-135m", 28_311_552, 0, 106_168_320, 35_136, 134_515_008],
  ])(
    "%s has the parameters of the published model",
    (name, embedding, head, linear, norm, total) => {
      expect(parameterCounts(shapeConfig(name))).toEqual({ embedding, head, linear, norm, total });
    },
  );

  it("are listed by rising size and are consistent", () => {
    const totals = shapeNames.map((name) => parameterCounts(shapeConfig(name)).total);
    expect(totals).toEqual([...totals].sort((a, b) => a - b));
    for (const name of shapeNames) {
      const config = shapeConfig(name);
      expect(config.heads % config.kvHeads).toBe(0);
      expect(config.heads * config.headDim).toBe(config.hiddenSize);
    }
  });

  it.each(["llama-4", "", "toString", "__proto__"])("refuses %j and names the shapes", (name) => {
    expect(() => shapeConfig(name)).toThrowError(
      expect.objectContaining({
        code: "usage",
        hint: expect.stringContaining("dummy:llama-3.2-1b"),
      }),
    );
  });
});
