/** The experiments of the lab in the order in which a server runs them; E0 (preflight.ts) comes before. */
import { accuracy } from "./accuracy.ts";
import { divergence } from "./divergence.ts";
import type { Experiment } from "./experiment.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { serving } from "./serving.ts";
import { throughput } from "./throughput.ts";

/** Memory is last, so that its peak is that of the whole block. */
export const experiments: readonly Experiment[] = [
  latency,
  throughput,
  serving,
  accuracy,
  divergence,
  memory,
];

/** Those that judge answers: greedy, so that a repeat would say the same, and on a trained model. */
export const answerExperiments: readonly Experiment[] = [accuracy, divergence];

/** @throws Error for a name that no plan of ours has */
export function experimentByName(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found === undefined) throw new Error(`there is no experiment "${name}"`);
  return found;
}
