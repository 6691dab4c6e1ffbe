/** What `quantlab predict` prints: assumptions first, then cells, memory and crossovers. */
import { bandText, predictedText } from "../analysis/crossover-text.ts";
import { asPercent, asText } from "../analysis/wording.ts";
import { formatBytes } from "../base/units.ts";
import type { Device } from "../roofline/devices.ts";
import type {
  EngineModel,
  Forecast,
  ForecastCrossover,
  ForecastRow,
} from "../roofline/forecast.ts";
import type { Efficiency } from "../roofline/predict.ts";
import { renderTable } from "./table.ts";

/** What `predict` says, before it is printed. */
export interface PredictResult extends Forecast {
  readonly model: string;
  readonly device: Device;
  readonly engine: EngineModel;
  readonly inputLen: number;
  readonly outputLen: number;
  readonly memoryUtilization: number;
  /** Dense peaks against BF16's: what a format's arithmetic can gain here. */
  readonly computeRatios: Readonly<Record<string, number>>;
}

export function forecastText(result: PredictResult): string {
  return [heading(result), cellsText(result), memoryText(result), crossoversText(result)].join(
    "\n",
  );
}

function heading(result: PredictResult): string {
  const { model, device, engine, computeRatios } = result;
  const { bf16 } = device.flopsPerSecond;
  const ratios = Object.entries(computeRatios).map(
    ([format, ratio]) => `${format} ${asText(ratio)}x`,
  );
  return [
    `${model} on ${device.title}: ${asText(device.bytesPerSecond / 1e9)} GB/s, BF16 ${asText(bf16 / 1e12)} TFLOP/s dense`,
    `Arithmetic against BF16, dense: ${ratios.join(", ")}`,
    `Source: ${device.source}`,
    `Engine: ${assumption(result)}${engine.spread > 1 ? `; band: a factor of ${asText(engine.spread)} either way` : ""}`,
    `        ${engine.source}`,
    "",
  ].join("\n");
}

function assumption({ rows }: PredictResult): string {
  const texts = rows.map(({ efficiency }) => efficiencyText(efficiency));
  if (new Set(texts).size === 1) return `${texts[0]}, all formats`;
  return rows.map(({ format }, index) => `${format} ${texts[index]}`).join("; ");
}

function efficiencyText({ memory, compute, overheadMs = 0, serial }: Efficiency): string {
  const ceilings =
    memory === compute
      ? `${asPercent(memory)} of the ceilings`
      : `${asPercent(memory)} of bandwidth, ${asPercent(compute)} of compute`;
  const shares = serial === true ? `${ceilings}, reading and arithmetic in turn` : ceilings;
  return overheadMs > 0 ? `${shares} and ${asText(overheadMs)} ms a step` : shares;
}

function cellsText({ rows, inputLen, outputLen, engine }: PredictResult): string {
  const banded = engine.spread > 1;
  const [reference] = rows;
  return renderTable({
    title: `Decode, ${inputLen} tokens in and ${outputLen} out; tok/s of whole requests, their prompts included`,
    header: [
      "format",
      "batch",
      "floor ms/token",
      "predicted ms/token",
      ...(banded ? ["band"] : []),
      "tok/s",
      `/ ${reference?.format ?? "first"}`,
      "TTFT ms",
      "bound by",
    ],
    rows: rows.flatMap((row) =>
      row.cells.map((cell, index) => [
        row.format,
        String(cell.batch),
        asText(cell.floorMs),
        asText(cell.ms),
        ...(banded ? [`${asText(cell.lowMs)} to ${asText(cell.highMs)}`] : []),
        asText(cell.outputTokensPerSecond),
        `${asText(cell.outputTokensPerSecond / (reference?.cells[index]?.outputTokensPerSecond ?? Number.NaN))}x`,
        asText(cell.ttftMs),
        cell.fits ? cell.bound : `${cell.bound}; does not fit`,
      ]),
    ),
    left: [banded ? 8 : 7],
  });
}

function memoryText({
  rows,
  device,
  memoryUtilization,
  inputLen,
  outputLen,
}: PredictResult): string {
  const room = formatBytes(device.memoryBytes * memoryUtilization);
  return renderTable({
    title: `Memory: ${asPercent(memoryUtilization)} of ${formatBytes(device.memoryBytes)} is ${room}; prefill of ${inputLen} tokens`,
    header: [
      "format",
      "weights",
      "bits/ param.",
      "decode floor ms",
      "cached tokens",
      `sequences of ${inputLen + outputLen}`,
      "prefill floor ms",
      "prefill ms",
      "bound by",
    ],
    rows: rows.map(memoryRow),
    left: [8],
  });
}

function memoryRow(row: ForecastRow): string[] {
  const { prefill } = row;
  return [
    row.format,
    formatBytes(row.weightBytes),
    asText(row.bitsPerParameter),
    asText(row.decodeFloorMs),
    row.kvCapacityTokens === 0 ? "none" : asText(row.kvCapacityTokens),
    String(row.maxSequences),
    asText(prefill.floorMs),
    asText(prefill.ms),
    prefill.bound,
  ];
}

const metricNames = { throughput: "output tok/s", tpot: "TPOT", ttft: "TTFT" } as const;

function crossoversText({ crossovers, engine }: PredictResult): string {
  if (crossovers.length === 0) return "";
  const banded = engine.spread > 1;
  return renderTable({
    title: "Crossover: the batch size at which the format that is slower alone catches up",
    header: [
      "formats",
      "by",
      "faster alone",
      "on the ceilings",
      "predicted",
      ...(banded ? ["band"] : []),
    ],
    rows: crossovers.map((crossover) => [
      `${crossover.b} and ${crossover.a}`,
      metricNames[crossover.metric],
      fasterAlone(crossover),
      predictedText(crossover.floor) ?? "",
      predictedText(crossover.predicted) ?? "",
      ...(banded ? [bandText(crossover) ?? ""] : []),
    ]),
    left: [1, 2, 3, 4, 5],
  });
}

function fasterAlone({ a, b, predicted }: ForecastCrossover): string {
  // Equal at batch 1 by less than any measurement tells.
  if (predicted.fasterBelow === undefined) return "neither";
  return predicted.fasterBelow === "a" ? a : b;
}
