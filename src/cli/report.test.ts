import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { syntheticRun, writeRun } from "../../test/synthetic-run.ts";
import { main } from "./main.ts";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += String(text);
    return true;
  });
  const code = await main(argv);
  vi.restoreAllMocks();
  return { code, out, err };
}

const folders: string[] = [];

async function folderOf(...runs: Parameters<typeof syntheticRun>[0][]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "quantlab-report-cli-"));
  folders.push(folder);
  for (const [i, options] of runs.entries()) {
    await writeRun(syntheticRun(options), join(folder, String(i)));
  }
  return folder;
}

afterEach(async () => {
  vi.restoreAllMocks();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

describe("report reference", () => {
  it("names the forced kernel, refuses the 4x claim, and says accuracy was not measured", async () => {
    const { code, out } = await run("report", "reference", "--format", "md");
    expect(code).toBe(0);
    expect(out).toMatch(/likely cause is the plain kernel, which --quantization awq forces/);
    expect(out).toMatch(/four times the FLOPs of BF16" is wrong/);
    expect(out).toMatch(/Accuracy was not measured/);
    expect(out).toMatch(/NVIDIA L40S 48 GB/);
  });

  it("draws the published figure as an SVG of its own", async () => {
    const folder = await folderOf();
    const { code, out } = await run("report", "reference", "--format", "svg", "--out", folder);
    expect(code).toBe(0);
    const svg = await readFile(out.split("\n")[0] ?? "", "utf8");
    expect(svg).toMatch(/^<svg role="img" aria-label="The published figures[^>]*><style>/);
  });

  it("asks for a place to write to", async () => {
    expect((await run("report", "reference")).code).toBe(2);
    expect((await run("report", "reference", "--traffic", "foo:1")).err).toMatch(/is none of/);
  });
});

describe("report of a run", () => {
  it("follows requirements given as flags", async () => {
    const folder = await folderOf({ repeats: 3 });
    const answer = async (...flags: string[]) =>
      (await run("report", join(folder, "0"), "--format", "md", ...flags)).out
        .split("\n")
        .find((line) => line.startsWith("**"));
    expect(await answer("--traffic", "single:1")).toMatch(/Serve awq: 1\.15x/);
    expect(await answer("--traffic", "batch:1")).toMatch(/Serve fp8: 1\.14x/);
    expect(await answer("--memory-gb", "0.12")).toMatch(/Serve awq: it is the only format/);
  });
});

describe("compare", () => {
  const noise = (factor: number) => (repeat: number) =>
    factor * (1 + 0.01 * Math.sin(17 * repeat + 1));

  it("exits 1 on a real regression only", async () => {
    const folder = await folderOf(
      { repeats: 4, noise: noise(1) },
      { repeats: 4, noise: noise(1.2) },
      { repeats: 1, noise: noise(1.2) },
    );
    const against = (b: string, limit: string) =>
      run("compare", join(folder, "0"), join(folder, b), "--fail-if", limit);
    const worse = await against("1", "tpot>+5%");
    expect(worse.code).toBe(1);
    expect(worse.err).toMatch(/fails tpot>\+5%: bf16\/latency\/batch-1 msPerTokenMedian: 1\.20x/);
    expect((await against("1", "tpot>+30%")).code).toBe(0);
    expect((await against("0", "tpot>+5%")).code).toBe(0);
    const unsure = await against("2", "tpot>+5%");
    expect(unsure.code).toBe(0);
    expect(unsure.err).toMatch(/undecided tpot/);
    for (const line of worse.out.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    expect((await against("1", "speed!")).code).toBe(2);
  });
});
