// Child process: the ceilings of this machine now, with the threads all contenders get.
// Usage: node probe.mjs BYTES THREADS
import { kernels } from "../../dist/kernels/binding.js";

const [bytes, threads] = process.argv.slice(2).map(Number);
kernels.setThreads(threads);
const bandwidth = kernels.probeReadBandwidth(bytes, 5);
const peakFlops = kernels.probePeakFlops("bf16", 300);
const { model: cpu, isa, features } = kernels.cpu();
process.stdout.write(`${JSON.stringify({ bandwidth, peakFlops, cpu, isa, features })}\n`);
