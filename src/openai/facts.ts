/** What a quantlab server says of itself at GET /quantlab/facts: shared by server and targets. */

export interface ServerFacts {
  readonly version: string;
  readonly pid: number;
  readonly model: string;
  readonly format: string;
  /** A second kernel of the format; absent is its first. */
  readonly kernel?: string | undefined;
  readonly trained: boolean;
  /** The output head's format. */
  readonly lmHead: string;
  readonly threads: number;
  readonly isa: string;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  readonly weights: {
    readonly totalBytes: number;
    readonly embeddingBytes: number;
    readonly headBytes: number;
    readonly linearBytes: number;
    readonly normBytes: number;
    readonly linearBitsPerWeight: number;
  };
  readonly kvCache: {
    /** "bf16", or "fp8": E4M3 codes. */
    readonly dtype: string;
    /** Where that is fp8: "calibrated" by the checkpoint, or "ones". */
    readonly scales: string | undefined;
    readonly bytes: number;
    readonly bytesPerToken: number;
    readonly blocks: number;
    readonly blockSize: number;
    readonly usedBlocks: number;
  };
  readonly memory: { readonly residentBytes: number; readonly peakResidentBytes: number };
  readonly engine: {
    readonly steps: number;
    readonly preemptions: number;
    readonly stepMs: number;
    readonly forwardMs: number;
    readonly promptTokens: number;
    readonly generatedTokens: number;
  };
  readonly loadMs: number;
}
