/** Describes a block of the Llama family to a format's quantizer: which linears share an input, and whose. */
import type { Activations, LinearGroup, Producer } from "../formats/block.ts";
import type { BlockInputs } from "./block-runner.ts";
import type { DenseBlock } from "./dense-block.ts";

/**
 * Norm to q, k, v; v to o, only where every query head has its own value head, since a value channel
 * shared by several heads cannot be divided for each; norm to gate and up; up to down.
 */
export function linearGroups(
  block: DenseBlock,
  inputs: BlockInputs | undefined,
): readonly LinearGroup[] {
  const { modules, qkv, output, gateUp, down } = block;
  const inputOf = (name: "qkv" | "output" | "gateUp" | "down"): Activations | undefined =>
    inputs && { tokens: inputs.tokens, values: inputs[name] };
  const norm = (module: string, weight: Uint16Array): Producer => ({
    kind: "norm",
    module,
    weight,
  });
  const value = qkv.linears[2];
  const up = gateUp.linears[1];
  const sharesHeads = value?.rows !== output.columns;
  return [
    {
      linears: qkv.linears,
      producer: norm(modules.inputNorm, block.inputNorm),
      input: inputOf("qkv"),
    },
    {
      linears: output.linears,
      producer: sharesHeads || value === undefined ? undefined : linearProducer(value.module),
      input: inputOf("output"),
    },
    {
      linears: gateUp.linears,
      producer: norm(modules.postNorm, block.postNorm),
      input: inputOf("gateUp"),
    },
    {
      linears: down.linears,
      producer: up && linearProducer(up.module),
      input: inputOf("down"),
    },
  ];
}

const linearProducer = (module: string): Producer => ({ kind: "linear", module });
