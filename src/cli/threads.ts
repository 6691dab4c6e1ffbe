/** How many threads the kernels take when nobody says. */
import { kernels } from "../kernels/binding.ts";

/** All cores this process may run on: see docs/decisions/0002 for what was measured. */
export function defaultThreads(): number {
  return kernels.cpu().cores;
}
