/** What a compute capability means for each format on vLLM: data, stated before a GPU is used. */

export interface FormatCapability {
  readonly format: string;
  /** Below it vLLM refuses. */
  readonly minimum: number;
  /** From it on the format's own arithmetic is used; below it, what `fallback` says. */
  readonly native: number;
  readonly fallback: string | undefined;
}

export const formatCapabilities: readonly FormatCapability[] = [
  { format: "bf16", minimum: 8.0, native: 8.0, fallback: undefined },
  {
    format: "fp8",
    minimum: 7.5,
    native: 8.9,
    fallback: "FP8 weights only (W8A16 through Marlin): half the weights, no FP8 arithmetic",
  },
  { format: "awq", minimum: 7.5, native: 7.5, fallback: undefined },
];

export interface CapabilityVerdict {
  readonly verdict: "native" | "fallback" | "impossible" | "unknown";
  readonly text: string;
}

/** @param capability as nvidia-smi prints it: "8.9" */
export function judgeCapability(format: string, capability: string | undefined): CapabilityVerdict {
  const row = formatCapabilities.find((candidate) => candidate.format === format);
  const value = Number(capability);
  if (row === undefined || capability === undefined || !Number.isFinite(value)) {
    return { verdict: "unknown", text: "the GPU's compute capability is not known" };
  }
  if (value < row.minimum) {
    return {
      verdict: "impossible",
      text: `${format} needs compute capability ${row.minimum.toFixed(1)}, this GPU has ${capability}`,
    };
  }
  if (value < row.native && row.fallback !== undefined) {
    return { verdict: "fallback", text: `${row.fallback}; capability ${capability}` };
  }
  return { verdict: "native", text: `capability ${capability}` };
}
