/** Sums up GPU samples over the measured part of a cell: memory, power, energy, clocks. */
import type { GpuSample } from "./nvidia-smi.ts";

export interface GpuUsage {
  readonly samples: number;
  /** Of all GPUs together; for vLLM the share that it reserved, not what a format needs. */
  readonly peakUsedBytes: number | undefined;
  /** Of all GPUs together, over the window. */
  readonly energyJoules: number | undefined;
  readonly meanWatts: number | undefined;
  readonly medianSmMhz: number | undefined;
  readonly lowestSmMhz: number | undefined;
  readonly peakCelsius: number | undefined;
  /** Share of time with any kernel: near 100 in decode, and no measure of efficiency. */
  readonly meanUtilizationPercent: number | undefined;
}

/** @param samples of any number of GPUs, in time order; those just outside the window are used too */
export function gpuUsage(
  samples: readonly GpuSample[],
  fromWallMs: number,
  toWallMs: number,
): GpuUsage {
  const inside = samples.filter((one) => one.wallMs >= fromWallMs && one.wallMs <= toWallMs);
  const uuids = [...new Set(samples.map((sample) => sample.uuid))];
  const byGpu = uuids.map((uuid) => samples.filter((sample) => sample.uuid === uuid));
  const energies = byGpu.map((own) => energyOf(own, fromWallMs, toWallMs));
  const energyJoules = sumOrUnknown(energies);
  const seconds = (toWallMs - fromWallMs) / 1e3;
  const mhz = valuesOf(inside, (sample) => sample.smMhz);
  const utilization = valuesOf(inside, (sample) => sample.utilizationPercent);
  return {
    samples: inside.length,
    peakUsedBytes: sumOrUnknown(
      byGpu.map((own) => largest(valuesOf(own, (sample) => sample.usedBytes))),
    ),
    energyJoules,
    meanWatts: energyJoules === undefined || seconds <= 0 ? undefined : energyJoules / seconds,
    medianSmMhz: mhz.toSorted((a, b) => a - b)[Math.floor(mhz.length / 2)],
    lowestSmMhz: mhz.length === 0 ? undefined : Math.min(...mhz),
    peakCelsius: largest(valuesOf(inside, (sample) => sample.celsius)),
    meanUtilizationPercent:
      utilization.length === 0
        ? undefined
        : utilization.reduce((sum, value) => sum + value, 0) / utilization.length,
  };
}

function valuesOf(
  samples: readonly GpuSample[],
  field: (sample: GpuSample) => number | undefined,
): number[] {
  return samples.map(field).filter((value) => value !== undefined);
}

const largest = (values: readonly number[]) =>
  values.length === 0 ? undefined : Math.max(...values);

/** One GPU that does not say makes the sum unknown: a part of the energy is not the energy. */
function sumOrUnknown(values: readonly (number | undefined)[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce<number | undefined>(
    (sum, value) => (sum === undefined || value === undefined ? undefined : sum + value),
    0,
  );
}

/** Trapezoids between samples, cut at the window's ends; undefined when samples do not span it. */
function energyOf(
  samples: readonly GpuSample[],
  fromWallMs: number,
  toWallMs: number,
): number | undefined {
  const known = samples.flatMap(({ wallMs, watts }) =>
    watts === undefined ? [] : [{ wallMs, watts }],
  );
  const first = known[0];
  const last = known.at(-1);
  if (first === undefined || last === undefined) return undefined;
  if (first.wallMs > fromWallMs || last.wallMs < toWallMs) return undefined;
  let joules = 0;
  for (const [index, end] of known.entries()) {
    const start = known[index - 1];
    if (start === undefined || end.wallMs <= start.wallMs) continue;
    const a = Math.max(start.wallMs, fromWallMs);
    const b = Math.min(end.wallMs, toWallMs);
    if (b <= a) continue;
    const wattsAt = (wallMs: number) =>
      start.watts +
      ((end.watts - start.watts) * (wallMs - start.wallMs)) / (end.wallMs - start.wallMs);
    joules += (((wattsAt(a) + wattsAt(b)) / 2) * (b - a)) / 1e3;
  }
  return joules;
}
