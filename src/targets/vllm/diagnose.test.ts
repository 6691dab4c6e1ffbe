import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { diagnose } from "./diagnose.ts";
import { failureRules } from "./failure-rules.ts";

const folder = fileURLToPath(new URL("../../../test/fixtures/vllm", import.meta.url));
const read = (path: string) => readFileSync(join(folder, path), "utf8");
const died = { code: 1, signal: null };
const samples = readdirSync(join(folder, "failures"));
const recorded = readdirSync(join(folder, "recorded"));

describe("diagnose", () => {
  it("knows a sample of every rule, and every sample as its rule", () => {
    const found = [
      ...samples.map((name) => `failures/${name}`),
      ...recorded.map((name) => `recorded/${name}`),
    ]
      .filter((path) => path.includes("failures/") || path.includes("refused"))
      .map((path) => ({ path, id: diagnose(read(path), died).id }));
    for (const { path, id } of found) {
      // "gpu-out-of-memory.after-loading.log", "0.32.0-cpu-refused.unknown-flag.log"
      const names = path.replace(/^\w+\//, "").split(".");
      expect(names, `${path} was taken for ${id}`).toContain(id.split("/")[0]);
    }
    const covered = new Set(found.map(({ id }) => id));
    expect(failureRules.map((rule) => rule.id).filter((id) => !covered.has(id))).toEqual([]);
  });

  it("fills what the log says into message and advice", () => {
    const text = (name: string) => {
      const { message, advice, retry } = diagnose(read(`failures/${name}.log`), died);
      return `${message} | ${advice} | ${retry}`;
    };
    expect(text("context-too-long")).toBe(
      "the KV cache has room for 57824 tokens, a sequence may be 131072 long | set maxModelLen: 57824 in lab.yaml, or kvCacheDtype: fp8 | after-change",
    );
    expect(text("capability-too-low")).toBe(
      "modelopt_fp4 needs a GPU of capability 10.0, this one has 8.0 | measure this format on a newer GPU; the cell is impossible here | never",
    );
    expect(text("gpu-memory-held")).toContain("11.71 of 79.19 GiB are free");
    expect(text("too-few-gpus")).toContain("over 4 GPUs, and 1 are here");
    expect(text("heads-not-divisible")).toContain("a divisor of 32");
    expect(text("gpu-out-of-memory")).toContain("while loading the weights");
    expect(text("gpu-out-of-memory.after-loading")).toContain("while profiling or capturing");
    expect(text("no-kernel-for-format")).toContain("no kernel of this build can run the WNA16");
  });

  it("takes the cause, not the wrapper that ends a log or a warning before it", () => {
    const { evidence } = diagnose(read("failures/no-cache-room.log"), died);
    expect(evidence).toContain("No available memory for the cache blocks");
  });

  it("tells a kill from outside from an unknown end, and shows an unknown one's first error", () => {
    expect(diagnose("INFO loading", { code: null, signal: "SIGKILL" })).toMatchObject({
      id: "killed",
      retry: "after-change",
    });
    expect(diagnose("INFO loading", { code: 137, signal: null }).id).toBe("killed");
    const unknown = diagnose("INFO a\nERROR 10-02 10:00:31 [x.py:1] NewError: what\nmore\n", died);
    expect(unknown).toMatchObject({ id: "unknown", retry: "no", evidence: "NewError: what" });
    expect(unknown.message).toContain("NewError: what\nmore");
    expect(diagnose("", died).id).toBe("unknown");
  });
});
