/** This machine for a run's manifest: what it is, and its ceilings measured now. */
import { arch, release, totalmem, type } from "node:os";
import { kernels } from "../kernels/binding.ts";
import type { Machine } from "../results/run.ts";
import { measureThisMachine } from "../roofline/machine.ts";

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
