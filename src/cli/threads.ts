/** How many threads the kernels take when nobody says. */
import { kernels } from "../kernels/binding.ts";

/** All cores this process may run on: see docs/decisions/0002 for what was measured. */
export function defaultThreads(): number {
  return kernels.cpu().cores;
}

/**
 * Threads of a server whose load generator runs on the same machine: one core is left to the generator,
 * but not of two: half of the arithmetic is more than the generator takes (docs/performance.md).
 */
export function threadsBesideLoad(cores: number): number {
  return cores > 2 ? cores - 1 : cores;
}
