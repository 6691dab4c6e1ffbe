import { expect, it } from "vitest";
import { syntheticRun } from "../../test/synthetic-run.ts";
import { serversTable } from "./servers.ts";

it("shows the kernel that was taken, and leaves out what no server says", () => {
  const run = syntheticRun();
  expect(serversTable({ ...run, results: run.results.map(withFacts(undefined)) })).toBeUndefined();
  const facts = {
    server: "vllm",
    version: "0.30.0",
    device: "NVIDIA H100 80GB HBM3",
    kernel: "MarlinLinearKernel",
    kvCacheDtype: "fp8",
    raw: { capability: "9.0", kvCacheTokens: 526832, kernelNote: 7 },
  };
  const table = serversTable({ ...run, results: run.results.map(withFacts(facts)) });
  expect(table?.columns.map(({ id }) => id)).toEqual([
    "row",
    "server",
    "device",
    "kernel",
    "cache",
    "tokens",
  ]);
  expect(table?.rows[0]).toMatchObject({
    server: "vllm 0.30.0",
    device: "NVIDIA H100 80GB HBM3, capability 9.0",
    kernel: "MarlinLinearKernel",
    cache: "fp8",
    tokens: "526,832",
  });
});

type Result = ReturnType<typeof syntheticRun>["results"][number];

const withFacts =
  (facts: Record<string, unknown> | undefined) =>
  (result: Result): Result => ({ ...result, quantlab: { ...result.quantlab, facts } });
