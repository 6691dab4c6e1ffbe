/** Engines beside each other in one process, and checkpoints that are not what they say. */
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startEngine } from "../../src/engine/host.ts";
import { type EngineOptions, engineDefaults } from "../../src/engine/load-engine.ts";
import { Llm } from "../../src/engine/llm.ts";

const options = (format: string): EngineOptions => ({
  ...engineDefaults,
  model: "dummy:tiny",
  format,
  maxModelLen: 256,
  maxNumSeqs: 4,
});
const greedy = { maxTokens: 40, temperature: 0, topP: 1, seed: undefined };
const prompt = [..."Once upon a time"].map((letter) => letter.charCodeAt(0));

async function generateWith(llm: Llm): Promise<readonly number[]> {
  return (await llm.generate(prompt, greedy, () => {})).tokenIds;
}

test("two engines in one process answer as each does alone, and one outlives the other", async () => {
  const alone: (readonly number[])[] = [];
  for (const format of ["bf16", "awq"]) {
    const llm = await Llm.start(options(format), () => {});
    alone.push(await generateWith(llm));
    await llm.stop();
  }
  const both = await Promise.all(
    ["bf16", "awq"].map((format) => Llm.start(options(format), () => {})),
  );
  const together = await Promise.all([...both, ...both].map(generateWith));
  expect(together).toEqual([...alone, ...alone]);
  const [first, second] = both;
  await first?.stop();
  expect(second === undefined ? [] : await generateWith(second)).toEqual(alone[1]);
  await second?.stop();
});

test("an engine that is stopped in the middle of an answer ends it with engine-stopped", async () => {
  const llm = await Llm.start(options("bf16"), () => {});
  const answer = llm.generate(prompt, { ...greedy, maxTokens: 200 }, () => {});
  const outcome = expect(answer).rejects.toMatchObject({ code: "engine-stopped" });
  await llm.stop();
  await outcome;
});

describe("a checkpoint", () => {
  const fixture = fileURLToPath(new URL("../fixtures/models/llama-tied", import.meta.url));
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantlab-checkpoint-"));
    await cp(fixture, folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const start = () => startEngine({ ...options("bf16"), model: folder }, 0, () => {});

  test("cut short is refused with the file's name", async () => {
    await truncate(join(folder, "model.safetensors"), 100_000);
    await expect(start()).rejects.toMatchObject({
      code: "checkpoint-malformed",
      message: expect.stringContaining("model.safetensors"),
    });
  });

  test("whose config.json is of another model is refused with both shapes", async () => {
    const path = join(folder, "config.json");
    const config = await readFile(path, "utf8");
    await writeFile(path, config.replace('"intermediate_size": 128', '"intermediate_size": 192'));
    await expect(start()).rejects.toMatchObject({
      code: "checkpoint-mismatch",
      message: expect.stringMatching(/\[256, 64\].*\[384, 64\]/),
    });
  });
});
