import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { inspectCommand } from "./inspect.ts";

let printed = "";
beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(() => void vi.restoreAllMocks());

const reportSchema = z.object({
  parameters: z.object({ linear: z.number(), total: z.number() }),
  groups: z.array(
    z.object({
      group: z.string(),
      tensors: z.number(),
      parameters: z.number(),
      bitsPerWeight: z.number(),
      bytes: z.number(),
    }),
  ),
  formats: z.array(
    z.object({
      format: z.string(),
      predicted: z.object({ totalBytes: z.number() }).optional(),
      loadedBytes: z.number().optional(),
      refused: z.string().optional(),
    }),
  ),
  tensors: z.array(z.object({ name: z.string(), byteLength: z.number() })).optional(),
});

async function inspect(...argv: string[]) {
  await inspectCommand().parseAsync([...argv, "--json"], { from: "user" });
  return reportSchema.parse(JSON.parse(printed));
}

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/fixtures/models/${name}`, import.meta.url));

test("weights of the 1B shape by format are the published sizes", async () => {
  const { formats } = await inspect("dummy:llama-3.2-1b");
  const gigabytes = formats.map(({ predicted }) => (predicted?.totalBytes ?? 0) / 1e9);
  const published = [2.4716, 1.4986, 1.031];
  for (const [i, expected] of published.entries()) {
    expect(Math.abs((gigabytes[i] ?? 0) / expected - 1)).toBeLessThan(0.01);
  }
});

test("what is loaded weighs what was predicted", async () => {
  const { formats } = await inspect("dummy:tiny", "--load");
  expect(formats.map(({ format }) => format)).toEqual(["bf16", "fp8", "awq", "int8"]);
  for (const { predicted, loadedBytes = 0 } of formats) {
    expect(Math.abs(loadedBytes / (predicted?.totalBytes ?? 0) - 1)).toBeLessThan(0.01);
  }
});

test("every tensor of a checkpoint is in one group, and the bytes add up", async () => {
  const { groups, tensors = [], parameters } = await inspect(fixture("qwen3"), "--tensors");
  expect(groups.map(({ group }) => group)).toEqual(["embedding", "linears", "norms and biases"]);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  expect(sum(groups.map((group) => group.tensors))).toBe(tensors.length);
  expect(sum(groups.map(({ bytes }) => bytes))).toBe(sum(tensors.map((t) => t.byteLength)));
  expect(sum(groups.map((group) => group.parameters))).toBe(parameters.total);
  expect(groups.map(({ bitsPerWeight }) => bitsPerWeight)).toEqual([16, 16, 16]);
});

test("a format that the shape does not allow is named with its reason", async () => {
  const { formats } = await inspect("dummy:smollm2-135m");
  const awq = formats.find(({ format }) => format === "awq");
  // 576 columns: no group of 128 divides them, one of 64 does.
  expect(awq?.predicted ?? awq?.refused).toBeDefined();
  printed = "";
  await inspectCommand().parseAsync(["dummy:tiny"], { from: "user" });
  expect(printed).toMatch(/^awq +[\d.]+ kB/m);
  expect(printed).toContain("random weights");
});
