import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Progress, renderBar, TimeLeft } from "./progress.ts";

function recorder(isTTY: boolean) {
  const written: string[] = [];
  return { written, stream: { isTTY, columns: 80, write: (text: string) => written.push(text) } };
}

describe("renderBar", () => {
  it("shows share, time left and text", () => {
    expect(renderBar({ fraction: 0.5, leftMs: 125_000, text: "bf16 latency" }, 80)).toBe(
      "[############............]  50 %, 2m 05s left  bf16 latency",
    );
  });

  it("never wraps", () => {
    fc.assert(
      fc.property(
        fc.double(),
        fc.string(),
        fc.integer({ min: 1, max: 200 }),
        (fraction, text, columns) => {
          expect(renderBar({ fraction, leftMs: 1, text }, columns).length).toBeLessThan(columns);
        },
      ),
    );
  });
});

describe("TimeLeft", () => {
  it("follows the plan, then what the plan turned out to be worth", () => {
    const left = new TimeLeft(1000);
    expect(left.leftMs({ predictedMs: 500, fraction: 0.5 })).toBe(750);
    left.finish(500, 1000);
    const corrected = left.leftMs({ predictedMs: 500, fraction: 0 });
    expect(corrected).toBeGreaterThan(900);
    expect(corrected).toBeLessThan(1000);
    expect(left.fraction({ predictedMs: 500, fraction: 0.5 })).toBe(0.75);
    left.finish(500, 1000);
    expect(left.leftMs({ predictedMs: 0, fraction: 0 })).toBe(0);
    expect(left.fraction({ predictedMs: 0, fraction: 0 })).toBe(1);
  });
});

describe("Progress", () => {
  it("writes events only where there is no terminal", () => {
    const { written, stream } = recorder(false);
    const progress = new Progress(stream, () => 0);
    progress.bar({ fraction: 0, leftMs: undefined, text: "x" });
    progress.event("bf16: server ready");
    progress.end();
    expect(written).toEqual(["bf16: server ready\n"]);
  });

  it("redraws the bar below events, and not more often than can be read", () => {
    const { written, stream } = recorder(true);
    let nowMs = 0;
    const progress = new Progress(stream, () => nowMs);
    progress.bar({ fraction: 0, leftMs: undefined, text: "one" });
    progress.bar({ fraction: 0, leftMs: undefined, text: "two" });
    nowMs = 1000;
    progress.bar({ fraction: 0, leftMs: undefined, text: "three" });
    progress.event("event");
    expect(written.join("")).not.toContain("two");
    expect(written.join("")).toContain("three");
    expect(written.at(-1)).toBe("event\n");
    expect(written.at(-2)).toBe("\r\u001b[2K");
  });
});
