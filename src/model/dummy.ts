/** Seeded random weights in a named shape, generated tensor by tensor: never a whole model at once. */
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { TensorInfo, TensorSource } from "../checkpoint/tensor-source.ts";
import { kernels } from "../kernels/binding.ts";
import { type TensorPlan, tensorPlan } from "./tensor-names.ts";

/** BF16 of 1: the weight of a norm that only normalizes. */
const bf16One = 0x3f80;

/** Standard deviation of logits over the vocabulary: wide enough that the most likely token stands out. */
const logitDeviation = 2;

/**
 * Every matrix keeps the variance of its input (std = columns^-1/2), so a block adds about one unit
 * of variance to the residual stream and 32 blocks stay far from BF16's limits. The embedding, which
 * may be the head too, is scaled so that logits have `logitDeviation` whatever the width.
 */
function standardDeviation(plan: TensorPlan): number {
  const columns = plan.shape[1] ?? 1;
  return (plan.role === "embedding" ? logitDeviation : 1) / Math.sqrt(columns);
}

/** A TensorSource of BF16 tensors whose bytes depend on the seed and the shape alone. */
export class DummySource implements TensorSource {
  readonly label: string;
  readonly #seed: number;
  readonly #tensors = new Map<string, { plan: TensorPlan; firstIndex: number }>();

  constructor(config: ModelConfig, seed: number, label: string) {
    this.label = label;
    this.#seed = seed;
    let firstIndex = 0;
    for (const plan of tensorPlan(config)) {
      this.#tensors.set(plan.name, { plan, firstIndex });
      firstIndex += elementCount(plan.shape);
    }
  }

  names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  info(name: string): TensorInfo {
    const { shape } = this.#find(name).plan;
    return { dtype: "BF16", shape, byteLength: 2 * elementCount(shape) };
  }

  readInto(name: string, target: Uint8Array): void {
    const { plan, firstIndex } = this.#find(name);
    const count = elementCount(plan.shape);
    const aligned = target.byteOffset % 2 === 0;
    const values = aligned
      ? new Uint16Array(target.buffer, target.byteOffset, count)
      : new Uint16Array(count);
    if (plan.role === "norm") values.fill(bf16One);
    else if (plan.role === "bias") values.fill(0);
    else kernels.fillNormal(values, this.#seed, firstIndex, standardDeviation(plan));
    if (!aligned) target.set(new Uint8Array(values.buffer));
  }

  close(): void {}

  #find(name: string): { plan: TensorPlan; firstIndex: number } {
    const tensor = this.#tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new QuantlabError("checkpoint-mismatch", `${this.label} has no tensor "${name}"`);
  }
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
