/** One decoder block of a BF16 checkpoint in ordinary memory: what quantizers and calibration read. */
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { BlockLinear } from "../formats/block.ts";
import { readAsBf16 } from "../formats/dense.ts";
import { QuantlabError } from "../base/errors.ts";
import { type BlockModules, blockModules, type TensorPlan, tensorPlan } from "./tensor-names.ts";

/** Linears of one input in one piece of memory, so that they can be multiplied as one matrix. */
export interface LinearStack {
  readonly linears: readonly BlockLinear[];
  readonly rows: number;
  readonly columns: number;
  /** All linears' weights one under another. */
  readonly weight: Uint16Array<ArrayBuffer>;
  /** All linears' biases end to end, where they have them. */
  readonly bias: Uint16Array | undefined;
}

export interface DenseBlock {
  readonly modules: BlockModules;
  readonly inputNorm: Uint16Array;
  readonly postNorm: Uint16Array;
  readonly qkNorm: { readonly q: Uint16Array; readonly k: Uint16Array } | undefined;
  readonly qkv: LinearStack;
  readonly output: LinearStack;
  readonly gateUp: LinearStack;
  readonly down: LinearStack;
}

/** Reads tensors of one checkpoint, each held against the shape that its config.json implies. */
export class DenseReader {
  readonly #source: TensorSource;
  readonly #plans: ReadonlyMap<string, TensorPlan>;

  constructor(source: TensorSource, config: ModelConfig) {
    this.#source = source;
    this.#plans = new Map(tensorPlan(config).map((plan) => [plan.name, plan]));
  }

  /** @throws checkpoint-mismatch */
  block(layer: number): DenseBlock {
    const modules = blockModules(layer);
    return {
      modules,
      inputNorm: this.vector(`${modules.inputNorm}.weight`),
      postNorm: this.vector(`${modules.postNorm}.weight`),
      qkNorm: this.#plans.has(`${modules.queryNorm}.weight`)
        ? {
            q: this.vector(`${modules.queryNorm}.weight`),
            k: this.vector(`${modules.keyNorm}.weight`),
          }
        : undefined,
      qkv: this.#stack(modules.qkv),
      output: this.#stack(modules.output),
      gateUp: this.#stack(modules.gateUp),
      down: this.#stack(modules.down),
    };
  }

  vector(name: string): Uint16Array<ArrayBuffer> {
    const values = new Uint16Array(this.#plan(name).shape.reduce((a, b) => a * b, 1));
    this.#readInto(name, values);
    return values;
  }

  #stack(modules: readonly string[]): LinearStack {
    const shapes = modules.map((module) => {
      const [rows = 0, columns = 0] = this.#plan(`${module}.weight`).shape;
      return { module, rows, columns };
    });
    const rows = shapes.reduce((sum, shape) => sum + shape.rows, 0);
    const columns = shapes[0]?.columns ?? 0;
    const weight = new Uint16Array(rows * columns);
    let first = 0;
    const linears = shapes.map((shape): BlockLinear => {
      const part = weight.subarray(first * columns, (first + shape.rows) * columns);
      this.#readInto(`${shape.module}.weight`, part);
      first += shape.rows;
      const biasName = `${shape.module}.bias`;
      const bias = this.#plans.has(biasName) ? this.vector(biasName) : undefined;
      return { ...shape, weight: part, bias };
    });
    const biases = linears.map(({ bias }) => bias).filter((bias) => bias !== undefined);
    const bias =
      biases.length > 0 ? Uint16Array.from(biases.flatMap((part) => [...part])) : undefined;
    return { linears, rows, columns, weight, bias };
  }

  #plan(name: string): TensorPlan {
    const plan = this.#plans.get(name);
    if (plan !== undefined) return plan;
    throw new QuantlabError("checkpoint-mismatch", `config.json implies no tensor ${name}`);
  }

  #readInto(name: string, target: Uint16Array<ArrayBuffer>): void {
    const info = this.#source.info(name);
    const expected = this.#plan(name).shape;
    if (info.shape.join() !== expected.join()) {
      throw new QuantlabError(
        "checkpoint-mismatch",
        `${this.#source.label}: ${name} is [${info.shape.join(", ")}], config.json implies [${expected.join(", ")}]`,
        { hint: "config.json and the tensors are not of the same model" },
      );
    }
    readAsBf16(this.#source, name, info, target);
  }
}
