import { describe, expect, it } from "vitest";
import { linkedText } from "./linked-text.ts";

const link = (paths: readonly string[] | undefined) =>
  paths?.[0] === undefined ? undefined : `#${paths[0]}`;
const evidence = ["bf16/throughput/batch-16/0", "fp8/throughput/batch-16/0", "fp8/memory/loaded/0"];
const linksOf = (text: string) =>
  [...linkedText({ text, evidence }, link).text.matchAll(/href="#([^"]+)">([^<]+)</g)].map(
    ([, href, number]) => `${number} ${href}`,
  );

describe("numbers of a sentence", () => {
  it("lead to the cell of the row and setting named before them", () => {
    expect(linksOf("At batch 16 fp8 gives 1.61x, bf16 12,345 tok/s or −2.5 %.")).toEqual([
      "16 bf16/throughput/batch-16/0",
      "1.61x fp8/throughput/batch-16/0",
      "12,345 bf16/throughput/batch-16/0",
      "−2.5 % bf16/throughput/batch-16/0",
    ]);
  });

  it("are not digits of words, levels of confidence, or commands", () => {
    expect(
      linksOf("bf16 and fp8 at p99, 16-bit (95 % interval, 80 % power): `run --n 3`."),
    ).toEqual([]);
  });

  it("stay text where no cell is known, and markup stays text", () => {
    expect(linkedText({ text: "<b>5</b>", evidence: [] }, link).text).toBe("&lt;b&gt;5&lt;/b&gt;");
  });
});
