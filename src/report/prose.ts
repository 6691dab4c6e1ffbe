/** Sentences of the page and of Markdown, filled from a run: nothing here knows a number of its own. */
import { ceilingsOf } from "../analysis/cells.ts";
import { asText } from "../analysis/wording.ts";
import { formatBytes } from "../base/units.ts";
import { metricDefinitions } from "../metrics/definitions.ts";
import type { Run } from "../results/run.ts";

/** "dummy:llama-3.2-1b on AMD EPYC, 2 threads". */
export function titleOf({ manifest }: Run): string {
  const { machine, config } = manifest;
  const label = machine.label === undefined ? "" : `${machine.label}: `;
  const model = String(config.model ?? "a model");
  if (machine.accelerator !== undefined) return `${label}${model} on ${machine.accelerator.title}`;
  const threads = machine.threads > 0 ? `, ${machine.threads} threads` : "";
  return `${label}${model} on ${machine.cpuModel}${threads}`;
}

/** One line under the title. */
export function subtitleOf({ manifest }: Run): string {
  if (manifest.published !== undefined) return `Published figures: ${manifest.published.source}.`;
  return `Run of ${manifest.createdAt}, profile ${String(manifest.config.profile ?? "none")}, quantlab ${manifest.quantlabVersion}.`;
}

/** Name and value of what a reader needs to judge or repeat the run. */
export function factsOf(run: Run): [string, string][] {
  const { machine, configHash, seed, published } = run.manifest;
  const ceilings = ceilingsOf(run);
  const facts: [string, string][] = [["Device", machine.accelerator?.title ?? machine.cpuModel]];
  if (machine.accelerator !== undefined) facts.push(["Host", machine.cpuModel]);
  if (published === undefined) {
    facts.push(
      ["Cores and threads", `${machine.cores} cores, ${machine.threads} threads`],
      ["Memory", formatBytes(machine.memoryBytes)],
      ["Instruction set", `${machine.isa} (${machine.features.join(", ")})`],
      ["System", `${machine.os}, Node ${machine.node}`],
    );
  }
  if (ceilings !== undefined) {
    const isSheet = published !== undefined || machine.accelerator !== undefined;
    const how = isSheet ? "data sheet, dense" : "measured when the run started";
    facts.push(
      ["Read bandwidth", `${asText(ceilings.bytesPerSecond / 1e9)} GB/s (${how})`],
      ["BF16 peak", `${asText(ceilings.flopsPerSecond.bf16 / 1e9)} GFLOP/s (${how})`],
    );
  }
  facts.push(["Configuration", `SHA-256 ${configHash}`]);
  if (published === undefined) facts.push(["Seed", String(seed)]);
  return facts;
}

/** How the figures came about: the design first, then each metric with its formula. */
export function methodOf({ manifest }: Run): string[] {
  if (manifest.published !== undefined) return [...manifest.published.notes];
  const repeats = 1 + Math.max(0, ...manifest.cells.map(({ repeat }) => repeat));
  return [
    "Every format answers the same frozen requests, drawn once from the seed; a fresh server process serves each block of cells.",
    `Each cell was measured ${repeats === 1 ? "once, so that no interval can be given" : `${repeats} times, the formats in turn, forwards and backwards; intervals are 95 % over these repeats`}.`,
    "Floors are the bytes of a step (weights as packed, embedding rows, keys and values) over the read bandwidth, or its FLOPs over the peak, whichever takes longer. The bandwidth is that of main memory: a model that fits the processor's cache can exceed it.",
    ...(manifest.machine.accelerator === undefined
      ? [
          "A prediction takes the bytes and the FLOPs of a step one after the other, as a processor's cores unpack weights before they multiply, over one share of the ceilings a format, fitted to half of the decode cells. Latencies under load are predicted by sending the run's own requests through a queue of such steps, without network or client.",
        ]
      : []),
    "The crossover is where the ratio of two throughput curves is 1, with the ratio's logarithm interpolated over the logarithm of the batch size.",
  ];
}

/** Definitions of the metrics that the page shows. */
export function definitionsOf(): { readonly name: string; readonly text: string }[] {
  const shown = ["ttftMs", "itlMs", "tpotMs", "e2elMs", "outputTokensPerSecond"];
  return metricDefinitions
    .filter(({ id }) => shown.includes(id))
    .map(({ name, unit, formula }) => ({ name, text: `${formula} (${unit})` }));
}
