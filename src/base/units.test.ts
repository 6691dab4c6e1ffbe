/** Units: what people write is read, what is printed has a unit, and nonsense is refused. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuantlabError } from "./errors.ts";
import { formatBytes, formatDuration, parseBytes, parseDurationMs, significant } from "./units.ts";

describe("parseBytes", () => {
  it.each([
    ["1024", 1024],
    ["1.5GB", 1_500_000_000],
    ["2 GiB", 2_147_483_648],
    ["16kb", 16_000],
  ])("%s is %i bytes", (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(["", "GB", "1XB", "-1", "1e9", "1 2", "NaN"])("refuses %j", (text) => {
    expect(() => parseBytes(text)).toThrow(QuantlabError);
  });
});

describe("parseDurationMs", () => {
  it.each([
    ["250", 250],
    ["250ms", 250],
    ["4m", 240_000],
    ["1.5s", 1500],
  ])("%s is %i ms", (text, ms) => expect(parseDurationMs(text)).toBe(ms));
});

describe("printing", () => {
  it("keeps four digits of bytes and their unit", () => {
    expect(formatBytes(2_471_628_800)).toBe("2.472 GB");
    expect(formatBytes(999)).toBe("999 B");
    expect(formatBytes(113_924_736)).toBe("113.9 MB");
  });

  it("prints durations at human scale", () => {
    expect(formatDuration(0.83)).toBe("830 µs");
    expect(formatDuration(12.34)).toBe("12.3 ms");
    expect(formatDuration(4210)).toBe("4.21 s");
    expect(formatDuration(185_000)).toBe("3m 05s");
    expect(formatDuration(3_600_000 * 2 + 60_000 * 5)).toBe("2h 05m");
  });

  it("significant digits survive a round trip to within half a unit of the last digit", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), (value) => {
        const printed = Number(significant(value, 4));
        expect(Math.abs(printed - value)).toBeLessThanOrEqual(
          value * 5.1e-4 + 0.5 * Number(value >= 1e4),
        );
      }),
    );
  });
});
