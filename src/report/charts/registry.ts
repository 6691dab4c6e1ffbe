/** The charts of the page, in their order. */
import { accuracy, pareto } from "./accuracy.ts";
import type { Chart } from "./chart.ts";
import { divergence } from "./divergence.ts";
import { distributions } from "./distributions.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { published } from "./published.ts";
import { itl, ttft } from "./serving.ts";
import { throughput } from "./throughput.ts";
import { timeline } from "./timeline.ts";

export const charts: readonly Chart[] = [
  published,
  throughput,
  latency,
  ttft,
  itl,
  ...distributions,
  accuracy,
  divergence,
  pareto,
  memory,
  timeline,
];
