/** Why a cell is not at its floor: one named reason each, with the share of the time that it explains. */
import type { Run } from "../results/run.ts";
import { trafficOf } from "../roofline/traffic.ts";
import { figureOf, formatOf, rowsOf } from "./cells.ts";
import type { PredictedCell } from "./predicted-cell.ts";
import { asPercent, asText } from "./wording.ts";

export type Reason =
  | "weight bandwidth"
  | "KV reads"
  | "compute"
  | "dequantization"
  | "step overhead"
  | "queueing"
  | "client"
  | "not measured as named";

export interface Diagnosis {
  readonly cell: PredictedCell;
  readonly reason: Reason;
  /** Share of the measured time that the reason accounts for. */
  readonly share: number;
  readonly sentence: string;
}

/** A ceiling that accounts for less than this does not name a cell. */
const namedFrom = 0.5;
/** A row's unexplained time is its own when it exceeds the reference's by this share of its time. */
const ownShare = 0.15;
/** A latency this many times what it takes without others in the way is waiting, not work. */
const waitingFrom = 1.5;
/** The client's p99 lateness as a share of the median TTFT. */
const clientShare = 0.1;

export function diagnose(run: Run, cells: readonly PredictedCell[]): Diagnosis[] {
  const [reference] = rowsOf(run);
  return cells.map((cell) => {
    const base = cells.find(
      (other) =>
        other.label === reference &&
        other.experiment === cell.experiment &&
        other.setting === cell.setting &&
        other.metric === cell.metric,
    );
    return cell.decode === undefined
      ? loadDiagnosis(run, cell, base)
      : decodeDiagnosis(run, cell, base);
  });
}

/** Time per token: a ceiling, or what the row adds to the reference's remainder, or the remainder. */
function decodeDiagnosis(
  run: Run,
  cell: PredictedCell,
  base: PredictedCell | undefined,
): Diagnosis {
  const { decode, measured } = cell;
  const model = run.manifest.traffic?.[cell.label];
  if (decode === undefined || model === undefined) return remainder(cell);
  const { memoryMs, computeMs } = decode.floor;
  if (Math.max(memoryMs, computeMs) >= namedFrom * measured.value) {
    if (computeMs > memoryMs) return named(cell, "compute", computeMs);
    const traffic = trafficOf(model, {
      batch: decode.batch,
      contextLength: decode.contextLength,
      newTokensPerSequence: 1,
    });
    const reason = traffic.kvBytes > traffic.weightBytes ? "KV reads" : "weight bandwidth";
    return named(cell, reason, memoryMs);
  }
  return unexplained(run, cell, base) ?? remainder(cell);
}

function named(cell: PredictedCell, reason: Reason, ms: number): Diagnosis {
  const share = ms / cell.measured.value;
  const what = {
    "weight bandwidth": "reading the weights",
    "KV reads": "reading keys and values",
    compute: "arithmetic at the dense peak",
  }[reason as "compute"];
  return {
    cell,
    reason,
    share,
    sentence: `${what} alone takes ${asText(ms)} of ${asText(cell.measured.value)} ms (${asPercent(share)})`,
  };
}

/** Time above the floor that the reference does not have: what a quantized row pays by itself. */
function unexplained(
  run: Run,
  cell: PredictedCell,
  base: PredictedCell | undefined,
): Diagnosis | undefined {
  if (base === undefined || base.label === cell.label) return undefined;
  if (formatOf(run, cell.label) === formatOf(run, base.label)) return undefined;
  const own = cell.measured.value - cell.floor - (base.measured.value - base.floor);
  if (own < ownShare * cell.measured.value) return undefined;
  const share = own / cell.measured.value;
  return {
    cell,
    reason: "dequantization",
    share,
    sentence: `${asText(own)} ms more than ${base.label} spends above its own floor (${asPercent(share)} of the time): work on the weights`,
  };
}

function remainder(cell: PredictedCell): Diagnosis {
  const rest = cell.measured.value - cell.floor;
  const share = Math.max(0, rest / cell.measured.value);
  return {
    cell,
    reason: "step overhead",
    share,
    sentence: `${asText(Math.max(0, rest))} of ${asText(cell.measured.value)} ms are above both ceilings: attention, sampling, scheduling and launches`,
  };
}

/** Latencies under load: the client, a queue, or the decode steps that they are made of. */
function loadDiagnosis(run: Run, cell: PredictedCell, base: PredictedCell | undefined): Diagnosis {
  const { label, experiment, setting, metric, measured, predicted, floor } = cell;
  const lag = figureOf(run, label, { experiment, setting, figure: "clientLagMsP99" })?.value ?? 0;
  const ttft = figureOf(run, label, { experiment, setting, figure: "ttftMsMedian" })?.value;
  if (ttft !== undefined && lag > Math.max(10, clientShare * ttft)) {
    return {
      cell,
      reason: "client",
      share: Math.min(1, lag / ttft),
      sentence: `the load generator itself was ${asText(lag)} ms late at p99`,
    };
  }
  if (metric === "TTFT" && isDerived(run, label, setting)) {
    return {
      cell,
      reason: "not measured as named",
      share: 1,
      sentence: `the published figure is a fixed multiple of ITL: an end-to-end latency, not a first token`,
    };
  }
  if (metric === "output tok/s") {
    const share = Math.min(1, measured.value / floor);
    return {
      cell,
      reason: share >= namedFrom ? "compute" : "step overhead",
      share,
      sentence: `${asPercent(share)} of what the ceilings allow for prompts and answers together`,
    };
  }
  if (setting === "rate-inf" || measured.value > waitingFrom * (cell.alone ?? predicted)) {
    const own = metric === "ITL" ? unexplained(run, cell, base) : undefined;
    const alone = cell.alone ?? predicted;
    return own ?? (measured.value > alone ? waiting(cell) : boundOf(cell));
  }
  return metric === "ITL" ? (unexplained(run, cell, base) ?? boundOf(cell)) : boundOf(cell);
}

/** A published TTFT that is a whole number of ITLs, within half a per cent, was computed from them. */
function isDerived(run: Run, label: string, setting: string): boolean {
  if (run.manifest.published === undefined) return false;
  const place = { experiment: "serving", setting };
  const ttft = figureOf(run, label, { ...place, figure: "ttftMsMedian" })?.value;
  const itl = figureOf(run, label, { ...place, figure: "itlMsMedian" })?.value;
  if (ttft === undefined || itl === undefined) return false;
  const ratio = ttft / itl;
  return ratio > 20 && Math.abs(ratio / Math.round(ratio) - 1) < 0.005;
}

function waiting(cell: PredictedCell): Diagnosis {
  const { measured, predicted, metric, alone = predicted } = cell;
  const rest = Math.max(0, measured.value - alone);
  const what = metric === "TTFT" ? "waiting behind other requests" : "steps shared with prompts";
  return {
    cell,
    reason: "queueing",
    share: rest / measured.value,
    sentence: `${asText(rest)} of ${asText(measured.value)} ms are ${what}, with about ${cell.batch} in flight`,
  };
}

function boundOf(cell: PredictedCell): Diagnosis {
  const share = Math.min(1, cell.floor / cell.measured.value);
  if (share < namedFrom) return remainder(cell);
  const reason = cell.metric === "TTFT" ? "compute" : "weight bandwidth";
  return { ...named(cell, reason, Math.min(cell.floor, cell.measured.value)), share };
}
