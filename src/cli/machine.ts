/** This machine for a run's manifest: what it is, and its ceilings measured now. */
import { arch, release, totalmem, type } from "node:os";
import { kernels } from "../kernels/binding.ts";
import type { LabConfig } from "../experiments/config.ts";
import type { Machine } from "../results/run.ts";
import { deviceOfGpu } from "../roofline/devices.ts";
import { measureThisMachine } from "../roofline/machine.ts";
import { readGpus } from "../targets/nvidia-smi.ts";

/** Takes about a second. @param threads that the server will use; undefined for all cores */
export function measureMachine(threads: number | undefined): Machine {
  const cpu = kernels.cpu();
  const device = measureThisMachine(threads ?? cpu.cores);
  return {
    cpuModel: cpu.model,
    cores: cpu.cores,
    memoryBytes: totalmem(),
    os: `${type()} ${release()} ${arch()}`,
    node: process.version,
    isa: cpu.isa,
    features: [...cpu.features],
    threads: threads ?? cpu.cores,
    readBandwidthBytesPerSecond: device.bytesPerSecond,
    bf16FlopsPerSecond: device.flopsPerSecond.bf16,
  };
}

/** The machine with its GPUs, where a server of the lab's is to run on them. */
export async function withAccelerator(machine: Machine, config: LabConfig): Promise<Machine> {
  if (config.target !== "vllm") return machine;
  const gpus = (await readGpus()) ?? [];
  const spread = (config.vllm?.tensorParallelSize ?? 1) * (config.vllm?.pipelineParallelSize ?? 1);
  const used = gpus.slice(0, spread);
  const name = used[0]?.name;
  if (name === undefined) return machine;
  // A data sheet speaks of one device: of several, no ceiling is claimed.
  const device = used.length === 1 ? deviceOfGpu(name) : undefined;
  const title = `${used.length} x ${name}`;
  return { ...machine, accelerator: device === undefined ? { title } : { title, device } };
}
