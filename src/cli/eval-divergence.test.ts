import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { evalCommand } from "./eval.ts";

let folder = "";
let printed = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-divergence-"));
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function diverge(line: string): Promise<string> {
  const argv = ["divergence", "--model", "dummy:tiny", "--tokens", "192", ...line.split(" ")];
  await evalCommand().parseAsync(argv, { from: "user" });
  return printed;
}

test("bf16 is 0 away from itself, fp8 is nearer to it than 4 bits are", async () => {
  const text = await diverge("--formats bf16,fp8,awq --window 48 --json");
  const { reference, trained, rows } = JSON.parse(text);
  expect({ reference, trained }).toEqual({ reference: "bf16", trained: false });
  const [bf16, fp8, awq] = rows;
  expect(bf16.summary).toMatchObject({
    windows: 4,
    klMean: { value: 0, low: 0, high: 0 },
    klMax: 0,
    topAgreement: { value: 1 },
    perplexityRatio: { value: 1 },
  });
  expect(fp8.summary.klMean.low).toBeGreaterThan(0);
  expect(awq.summary.klMean.low).toBeGreaterThan(fp8.summary.klMean.high);
});

test("prints a table and stores the raw columns, whatever the size of a forward's chunk", async () => {
  // Two chunks of 128 rows in one window.
  const text = await diverge(`--formats fp8 --window 192 --output-path ${folder}`);
  expect(text).toContain("dummy:tiny (not trained: the figures mean nothing)");
  expect(text).toMatch(/^KL mean, millinats +\d/m);
  const columns = JSON.parse(await readFile(join(folder, "divergence_fp8.json"), "utf8"));
  expect(columns.kl.length).toBe(columns.referenceLogProb.length);
  expect(columns.kl.length).toBeGreaterThanOrEqual(191);
});

test("names a text that is not there or too short", async () => {
  await expect(diverge("--text-path /nowhere.txt")).rejects.toMatchObject({
    code: "file-not-found",
  });
  await expect(diverge("--window 4000000")).rejects.toMatchObject({ code: "dataset-invalid" });
});
