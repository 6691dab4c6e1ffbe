/** How each format is asked for, by version, device and where its weights come from. */
import { QuantlabError } from "../../base/errors.ts";
import { isInRange, type VersionRange, type VllmVersion } from "./version.ts";

export interface QuantizationQuestion {
  /** Name in formats/registry.ts. */
  readonly format: string;
  /** undefined for vLLM's own choice, "plain" for the format's first, unfused kernel. */
  readonly kernel: string | undefined;
  /** Whether the checkpoint is in this format already. */
  readonly isReadyCheckpoint: boolean;
  readonly isCpu: boolean;
}

export interface QuantizationAnswer {
  /** Value of --quantization; undefined leaves it out, and vLLM reads the checkpoint's own word. */
  readonly flag: string | undefined;
  readonly dtype: "bfloat16" | "float16";
}

interface Row extends VersionRange {
  readonly format: string;
  readonly kernel?: string;
  /** undefined matches both. */
  readonly isReadyCheckpoint?: boolean;
  readonly answer: QuantizationAnswer | { readonly refusal: string; readonly hint: string };
}

const asItIs: QuantizationAnswer = { flag: undefined, dtype: "bfloat16" };

/** First match wins. */
const rows: readonly Row[] = [
  { format: "bf16", answer: asItIs },
  { format: "fp8", isReadyCheckpoint: true, answer: asItIs },
  // 0.30.0 knows both words; after it the short one is refused for a BF16 checkpoint.
  {
    format: "fp8",
    isReadyCheckpoint: false,
    until: "0.30.0",
    answer: { flag: "fp8", dtype: "bfloat16" },
  },
  {
    format: "fp8",
    isReadyCheckpoint: false,
    answer: { flag: "fp8_per_tensor", dtype: "bfloat16" },
  },
  {
    format: "awq",
    isReadyCheckpoint: false,
    answer: {
      refusal: "vLLM does not quantize to AWQ while loading",
      hint: "make a checkpoint with `quantlab quantize --format awq --out DIR`, or name one: `- awq: { checkpoint: DIR }` in lab.yaml",
    },
  },
  { format: "awq", isReadyCheckpoint: true, answer: asItIs },
];

/**
 * The forced plain `awq` kernel: its word stopped meaning it when AWQ's two methods became one
 * (`auto_awq`, which takes every word for Marlin). What was really taken, the log says.
 */
const plainAwq: VersionRange & { readonly answer: QuantizationAnswer } = {
  until: "0.21.0",
  answer: { flag: "awq", dtype: "float16" },
};

/** @throws format-unsupported when this version or device cannot serve it, with what to do */
export function quantizationOf(
  question: QuantizationQuestion,
  version: VllmVersion | undefined,
): QuantizationAnswer {
  const { format, kernel, isReadyCheckpoint } = question;
  if (kernel !== undefined) return variantOf(question, kernel, version);
  const row = rows.find(
    (candidate) =>
      candidate.format === format &&
      (candidate.isReadyCheckpoint ?? isReadyCheckpoint) === isReadyCheckpoint &&
      isInRange(version, candidate),
  );
  if (row === undefined) {
    throw new QuantlabError("format-unsupported", `no way to serve "${format}" on vLLM is known`, {
      hint: "serve bf16, fp8 or awq, or start vLLM yourself and take --target endpoint",
    });
  }
  if ("refusal" in row.answer) {
    throw new QuantlabError("format-unsupported", row.answer.refusal, { hint: row.answer.hint });
  }
  return row.answer;
}

function variantOf(
  { format, isReadyCheckpoint, isCpu }: QuantizationQuestion,
  kernel: string,
  version: VllmVersion | undefined,
): QuantizationAnswer {
  if (format !== "awq" || kernel !== "plain") {
    throw new QuantlabError("format-unsupported", `${format} has no kernel "${kernel}" on vLLM`, {
      hint: "the one variant that can be forced is `awq: { kernel: plain }`; leave `kernel` out for vLLM's own choice",
    });
  }
  if (isCpu || !isInRange(version, plainAwq)) {
    const where = isCpu ? "on a CPU" : `in vLLM ${version?.text ?? "of an unknown version"}`;
    throw new QuantlabError(
      "format-unsupported",
      `the plain awq kernel cannot be forced ${where}`,
      {
        hint: `leave this row out, or install vLLM before ${plainAwq.until}: the published collapse of AWQ under load is this kernel's`,
      },
    );
  }
  if (!isReadyCheckpoint) {
    throw new QuantlabError("format-unsupported", "the plain awq kernel needs an AWQ checkpoint", {
      hint: "name one: `- awq: { checkpoint: DIR, kernel: plain, label: awq-plain }`",
    });
  }
  return plainAwq.answer;
}
