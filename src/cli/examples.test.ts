/** The examples that the documents point at are ones that the lab reads. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { readSlurmFile, settingsOf } from "../executors/slurm/slurm-file.ts";
import { completeConfig } from "../experiments/complete.ts";
import { readLabFile } from "../experiments/lab-file.ts";

const example = (name: string) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

it("reads the lab for an H100 and the cluster", () => {
  const config = completeConfig(readLabFile(example("lab-h100.yaml")), "m");
  expect(config).toMatchObject({ target: "vllm", repeats: 3, maxNumSeqs: 64 });
  expect(config.formats.map(({ label }) => label)).toEqual(["bf16", "fp8", "awq"]);
  const slurm = readSlurmFile(example("slurm.yaml"));
  expect(Object.keys(slurm.gpuTypes)).toEqual(["h100", "h200", "a100", "l40s"]);
  expect(settingsOf(slurm, "h200")).toMatchObject({ time: "01:00:00", account: "mylab" });
});

it("reads the lab of AWQ's two kernels", () => {
  const config = completeConfig(readLabFile(example("lab-awq-kernels.yaml")), "m");
  expect(config.formats.map(({ label, kernel }) => [label, kernel])).toEqual([
    ["bf16", undefined],
    ["awq", undefined],
    ["awq-plain", "plain"],
  ]);
});
