import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { arrivalOf } from "./arrivals/registry.ts";
import { drawRequests } from "./draw.ts";
import { freeze, readManifest, toVllmCustomJsonl, writeManifest } from "./manifest.ts";
import { promptSourceOf } from "./prompts/registry.ts";
import type { FrozenRequest } from "./request.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quantlab-manifest-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const request: fc.Arbitrary<FrozenRequest> = fc.record({
  index: fc.nat(),
  prompt: fc.oneof(fc.string(), fc.array(fc.nat(50_000))),
  promptTokens: fc.nat(),
  maxTokens: fc.integer({ min: 1, max: 4000 }),
  intendedMs: fc.double({ min: 0, max: 1e6, noNaN: true }).map((time) => time + 0),
});
const manifests = fc
  .record({
    prompts: fc.string(),
    arrivals: fc.string(),
    seed: fc.nat(),
    requests: fc.array(request, { maxLength: 5 }),
  })
  .map(freeze);

test("a manifest written and read is the same, hash included", async () => {
  await fc.assert(
    fc.asyncProperty(manifests, async (manifest) => {
      const path = join(folder, "round.json");
      await writeManifest(path, manifest);
      expect(await readManifest(path)).toEqual(manifest);
    }),
    { numRuns: 40 },
  );
});

test("any change of the content changes the hash", () => {
  const base = freeze({
    prompts: "p",
    arrivals: "a",
    seed: 1,
    requests: [{ index: 0, prompt: [1, 2], promptTokens: 2, maxTokens: 3, intendedMs: 4 }],
  });
  const [first] = base.requests as [FrozenRequest];
  const changed = [
    { ...base, prompts: "q" },
    { ...base, arrivals: "b" },
    { ...base, seed: 2 },
    { ...base, requests: [] },
    { ...base, requests: [{ ...first, prompt: [1, 3] }] },
    { ...base, requests: [{ ...first, prompt: "[1,2]" }] },
    { ...base, requests: [{ ...first, maxTokens: 4 }] },
    { ...base, requests: [{ ...first, intendedMs: 4.5 }] },
  ].map((manifest) => freeze(manifest).hash);
  expect(new Set([base.hash, ...changed]).size).toBe(changed.length + 1);
  expect(freeze({ ...base }).hash).toBe(base.hash);
});

test("an edited file is refused, and so is one that is no manifest", async () => {
  const path = join(folder, "edited.json");
  const manifest = freeze({ prompts: "p", arrivals: "a", seed: 1, requests: [] });
  await writeManifest(path, manifest);
  await writeFile(path, (await readFile(path, "utf8")).replace('"seed": 1', '"seed": 2'));
  await expect(readManifest(path)).rejects.toThrow("but its content hashes to");
  await writeFile(path, "{}");
  await expect(readManifest(path)).rejects.toThrow("is not a request manifest");
  await expect(readManifest(join(folder, "none"))).rejects.toThrow("cannot be read");
});

test("the same seed gives the same prompts at every rate, and other times", async () => {
  const drawAt = (requestRate: number, seed = 5) =>
    drawRequests({
      prompts: promptSourceOf("lengths", {
        path: undefined,
        inputLen: 1,
        outputLen: undefined,
        rangeRatio: 0,
        lengthScale: 1,
        vocabSize: 1000,
        countTokens: undefined,
      }),
      arrivals: arrivalOf({ requestRate, burstiness: 1 }),
      count: 20,
      seed,
    });
  const [slow, fast, again] = [await drawAt(1), await drawAt(4), await drawAt(1)];
  const promptsOf = (manifest: typeof slow) => manifest.requests.map((r) => r.prompt);
  expect(promptsOf(fast)).toEqual(promptsOf(slow));
  expect(fast.requests.map((r) => r.intendedMs * 4)).toEqual(
    slow.requests.map((r) => expect.closeTo(r.intendedMs, 6)),
  );
  expect(again.hash).toBe(slow.hash);
  expect(fast.hash).not.toBe(slow.hash);
  expect(promptsOf(await drawAt(1, 6))).not.toEqual(promptsOf(slow));
});

test("text prompts export as vLLM's custom data set; ids cannot", () => {
  const text = { index: 0, prompt: 'say "hi"\n', promptTokens: 3, maxTokens: 9, intendedMs: 0 };
  const manifest = freeze({ prompts: "p", arrivals: "a", seed: 1, requests: [text] });
  expect(toVllmCustomJsonl(manifest)).toBe('{"prompt":"say \\"hi\\"\\n","output_tokens":9}\n');
  const ids = freeze({ ...manifest, requests: [{ ...text, prompt: [1] }] });
  expect(() => toVllmCustomJsonl(ids)).toThrow("holds text only");
});
