import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canonicalJson, hashOf } from "./canonical-json.ts";
import { type CellKey, type CellResult, cellPath, type Manifest } from "./run.ts";
import { cellFolder, listRuns, loadRun, RunStore } from "./store.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "quantlab-store-"));
});
afterAll(() => rm(root, { recursive: true }));

let next = 0;
const freshFolder = () => join(root, `run-${next++}`);

const cell = (format: string, setting: string): CellKey => ({
  format,
  experiment: "throughput",
  setting,
  repeat: 0,
});
const cells = [cell("bf16", "batch-1"), cell("awq", "batch-1"), cell("awq", "batch-16")];

function manifestOf(createdAt = "2026-01-01T00:00:00Z"): Manifest {
  return {
    schemaVersion: 1,
    quantlabVersion: "0.0.0",
    createdAt,
    config: { model: "dummy:tiny", seed: 1 },
    configHash: "",
    machine: {
      cpuModel: "test",
      cores: 2,
      memoryBytes: 1,
      os: "test",
      node: "test",
      isa: "portable",
      features: [],
      threads: 1,
      readBandwidthBytesPerSecond: 1,
      bf16FlopsPerSecond: 1,
    },
    cells,
    requestHashes: {},
    seed: 1,
  };
}

function resultOf(key: CellKey, status: CellResult["quantlab"]["status"] = "done"): CellResult {
  return {
    duration: 1,
    quantlab: {
      key,
      status,
      startedAt: "2026-01-01T00:00:00Z",
      durationMs: 1,
      validity: { valid: true, reasons: [] },
      figures: { outputTokensPerSecond: 7 },
    },
  };
}

describe("a run folder", () => {
  it("gives back what was written, in the manifest's order, with vLLM's keys kept", async () => {
    const folder = freshFolder();
    const store = await RunStore.create(folder, manifestOf());
    for (const key of [...cells].reverse()) await store.writeResult(resultOf(key));
    await store.close();
    const run = await loadRun(folder);
    expect(run.results.map(({ quantlab }) => cellPath(quantlab.key))).toEqual(cells.map(cellPath));
    expect(run.results[0]).toEqual(resultOf(cells[0] as CellKey));
    expect(run.manifest.configHash).toBe(hashOf(manifestOf().config));
  });

  it("is readable while it is written, and leaves no temporary file", async () => {
    const folder = freshFolder();
    const store = await RunStore.create(folder, manifestOf());
    expect((await loadRun(folder)).results).toHaveLength(0);
    await store.writeResult(resultOf(cells[1] as CellKey));
    expect((await loadRun(folder)).results).toHaveLength(1);
    await store.close();
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => name.includes("tmp") || name.includes("lock"))).toEqual([]);
  });

  it("has those cells left that have no result or failed, not the skipped", async () => {
    const folder = freshFolder();
    const store = await RunStore.create(folder, manifestOf());
    await store.writeResult(resultOf(cells[0] as CellKey, "failed"));
    await store.writeResult(resultOf(cells[1] as CellKey, "skipped"));
    expect(await store.missing()).toEqual([cells[0], cells[2]]);
    await store.close();
    const again = await RunStore.open(folder, manifestOf().config);
    expect(await again.missing()).toEqual([cells[0], cells[2]]);
    await again.close();
  });

  it("empties a cell's folder when it is started again", async () => {
    const store = await RunStore.create(freshFolder(), manifestOf());
    const folder = await store.startCell(cells[0] as CellKey);
    await writeFile(join(folder, "records.jsonl"), "{}");
    await store.startCell(cells[0] as CellKey);
    expect(await readdir(folder)).toEqual([]);
    await store.close();
  });

  it("lists runs by age", async () => {
    const parent = freshFolder();
    for (const [name, at] of [
      ["a", "2026-03-01T00:00:00Z"],
      ["b", "2026-02-01T00:00:00Z"],
    ]) {
      await (await RunStore.create(join(parent, name ?? ""), manifestOf(at))).close();
    }
    expect((await listRuns(parent)).map((path) => path.slice(-1))).toEqual(["b", "a"]);
    expect(await listRuns(join(parent, "nowhere"))).toEqual([]);
  });
});

describe("refusals", () => {
  it("names the keys of the configuration that differ", async () => {
    const folder = freshFolder();
    await (await RunStore.create(folder, manifestOf())).close();
    const changed = { ...manifestOf().config, seed: 2 };
    await expect(RunStore.open(folder, changed)).rejects.toMatchObject({
      code: "run-invalid",
      hint: expect.stringContaining("differing: seed;"),
    });
  });

  it("refuses a folder that another living process writes, and takes over a dead one's", async () => {
    const folder = freshFolder();
    const store = await RunStore.create(folder, manifestOf());
    await expect(RunStore.open(folder)).rejects.toThrow(`process ${process.pid} is writing`);
    await store.close();
    // Same process id, started at another time: a later process that got the id.
    await writeFile(
      join(folder, "lock.json"),
      JSON.stringify({ pid: process.pid, startTime: "1" }),
    );
    const after = await RunStore.open(folder);
    await after.close();
    await after.close();
  });

  it("lets one of many claimants win", async () => {
    const folder = freshFolder();
    await (await RunStore.create(folder, manifestOf())).close();
    const claims = await Promise.allSettled(Array.from({ length: 8 }, () => RunStore.open(folder)));
    const won = claims.filter((claim) => claim.status === "fulfilled");
    expect(won).toHaveLength(1);
    await Promise.all(won.map(({ value }) => value.close()));
  });

  it("refuses to make a run where something is", async () => {
    const folder = freshFolder();
    await (await RunStore.create(folder, manifestOf())).close();
    await expect(RunStore.create(folder, manifestOf())).rejects.toThrow("is not empty");
  });

  it("tells a missing folder from one that is not a run, and names a damaged file", async () => {
    await expect(loadRun(join(root, "nowhere"))).rejects.toMatchObject({ code: "file-not-found" });
    await expect(loadRun(root)).rejects.toMatchObject({ code: "run-invalid" });
    const folder = freshFolder();
    const store = await RunStore.create(folder, manifestOf());
    const cellPathOnDisk = await store.startCell(cells[0] as CellKey);
    await writeFile(join(cellPathOnDisk, "result.json"), "{");
    await expect(loadRun(folder)).rejects.toThrow(/result.json is not JSON/);
    await writeFile(join(cellPathOnDisk, "result.json"), "{}");
    await expect(loadRun(folder)).rejects.toThrow(/result.json: quantlab: /);
    await store.close();
  });

  it.each(["../x", "", "a/b", ".hidden", "<script>"])("refuses %j as a label", (name) => {
    expect(() => cellFolder(root, cell(name, "batch-1"))).toThrow("cannot name a cell");
  });
});

describe("canonical JSON", () => {
  it("does not depend on the order of keys, and parses to the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const shuffled = JSON.parse(JSON.stringify(value), (_, member) =>
          member !== null && typeof member === "object" && !Array.isArray(member)
            ? Object.fromEntries(Object.entries(member).reverse())
            : member,
        );
        expect(canonicalJson(shuffled)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("refuses what JSON cannot hold", () => {
    expect(() => canonicalJson({ a: Number.NaN })).toThrow();
  });
});
