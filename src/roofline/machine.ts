/** This machine as a device: its ceilings measured by the kernels' probes, once per process. */
import { totalmem } from "node:os";
import { kernels } from "../kernels/binding.ts";
import type { Device } from "./devices.ts";

/** Far beyond the last-level cache of the machines we know, so that DRAM is what is measured. */
const bandwidthProbeBytes = 1 << 30;
/** On a machine with little memory the probe must not push anything out. */
const largestShareOfMemory = 1 / 8;
const bandwidthProbeRepeats = 5;
const flopsProbeMs = 200;

const measured = new Map<string, Device>();

/**
 * Ceilings of this machine with `threads` threads; takes about a second the first time and is
 * remembered after that. Leaves the pool at the number of threads it found.
 */
export function measureThisMachine(
  threads: number = kernels.threads(),
  probeBytes: number = bandwidthProbeBytes,
): Device {
  const bytes = Math.min(probeBytes, Math.floor(totalmem() * largestShareOfMemory));
  const key = `${threads}/${bytes}`;
  const known = measured.get(key);
  if (known !== undefined) return known;
  const before = kernels.threads();
  if (threads !== before) kernels.setThreads(threads);
  try {
    const cpu = kernels.cpu();
    const bf16 = kernels.probePeakFlops("bf16", flopsProbeMs);
    const int8 = kernels.probePeakFlops("int8", flopsProbeMs);
    const device: Device = {
      name: "this",
      title: `${cpu.model}, ${threads} threads, ${cpu.isa}`,
      memoryBytes: totalmem(),
      bytesPerSecond: kernels.probeReadBandwidth(bytes, bandwidthProbeRepeats),
      flopsPerSecond: int8 === 0 ? { bf16 } : { bf16, int8 },
      capability: cpu.isa,
      source: `measured: median of ${bandwidthProbeRepeats} reads of ${bytes} bytes, and the BF16 and INT8 inner products for ${flopsProbeMs} ms`,
    };
    measured.set(key, device);
    return device;
  } finally {
    if (threads !== before) kernels.setThreads(before);
  }
}
