/** The shape of a Llama-family model, in our words; parsed from config.json by config.ts. */

export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    };

/** `quantization_config` of config.json, as found; each format's `detect` reads what it knows. */
export type QuantizationConfig = Readonly<Record<string, unknown>>;

export interface ModelConfig {
  /** For example "LlamaForCausalLM". */
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Explicit in config.json, or hiddenSize / heads. */
  readonly headDim: number;
  readonly vocabSize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly maxPositions: number;
  readonly tieWordEmbeddings: boolean;
  /** Bias on q, k and v (Qwen2). */
  readonly qkvBias: boolean;
  /** RMSNorm on each query and key head before RoPE (Qwen3). */
  readonly qkNorm: boolean;
  readonly bosTokenId: number | undefined;
  /** A sequence ends on any of these. */
  readonly eosTokenIds: readonly number[];
  readonly quantization: QuantizationConfig | undefined;
  /** The seeded random weights of a dummy model, written to a folder by `quantlab quantize`. */
  readonly randomWeights?: true;
}
