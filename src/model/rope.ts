/** Rotary position embedding: the inverse frequencies, with the scaling a checkpoint asks for. */
import type { ModelConfig, RopeScaling } from "../checkpoint/model-config.ts";

/**
 * Llama 3 scaling: wavelengths short against the original context stay, long ones are stretched by
 * `factor`, and those between are mixed. Source: the RoPE utilities of Hugging Face transformers.
 */
function llama3(frequency: number, scaling: Extract<RopeScaling, { type: "llama3" }>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalMaxPositions / highFreqFactor) return frequency;
  if (wavelength > originalMaxPositions / lowFreqFactor) return frequency / factor;
  const kept =
    (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return (1 - kept) * (frequency / factor) + kept * frequency;
}

/** Inverse frequencies [headDim / 2] in radians per position: theta^(-2j / headDim), scaled. */
export function inverseFrequencies(
  config: Pick<ModelConfig, "headDim" | "ropeTheta" | "ropeScaling">,
): Float32Array {
  const scaling = config.ropeScaling;
  return Float32Array.from({ length: config.headDim / 2 }, (_, j) => {
    const frequency = config.ropeTheta ** ((-2 * j) / config.headDim);
    switch (scaling.type) {
      case "default":
        return frequency;
      case "linear":
        return frequency / scaling.factor;
      case "llama3":
        return llama3(frequency, scaling);
    }
  });
}
