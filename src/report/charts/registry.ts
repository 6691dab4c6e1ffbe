/** The charts of the page, in their order. */
import type { Chart } from "./chart.ts";
import { latency } from "./latency.ts";
import { itl, ttft } from "./serving.ts";
import { throughput } from "./throughput.ts";

export const charts: readonly Chart[] = [throughput, latency, ttft, itl];
