/** Loads the tensors of a Llama-family checkpoint one matrix at a time, each checked for its shape. */
import { QuantlabError } from "../base/errors.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { parameterCounts } from "../checkpoint/shapes.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import { readAsBf16 } from "../formats/dense.ts";
import type { Format, Weight } from "../formats/format.ts";
import { type BufferHandle, kernels } from "../kernels/binding.ts";
import { type Loading, unquantized } from "./format-choice.ts";
import { blockModules, embeddingModule, finalNormModule, headModule } from "./tensor-names.ts";
import type { BlockWeights, LlamaWeights } from "./weights.ts";

/** What one load carries along: where from, what, how, and how far it is. */
class Loader {
  readonly #source: TensorSource;
  readonly #config: ModelConfig;
  readonly #loading: Loading;
  readonly #headFormat: Format | undefined;
  readonly #onProgress: (fraction: number, text: string) => void;
  readonly #totalParameters: number;
  #loadedParameters = 0;

  constructor(
    source: TensorSource,
    config: ModelConfig,
    loading: Loading,
    headFormat: Format | undefined,
    onProgress: (fraction: number, text: string) => void,
  ) {
    this.#source = source;
    this.#config = config;
    this.#loading = loading;
    this.#headFormat = headFormat;
    this.#onProgress = onProgress;
    this.#totalParameters = parameterCounts(config).total;
  }

  load(): LlamaWeights {
    const { vocabSize, hiddenSize, layers, tieWordEmbeddings } = this.#config;
    // The largest tensors first: their BF16 copies then meet an almost empty memory.
    const embedding = this.#unquantized(embeddingModule, vocabSize, hiddenSize);
    const head = this.#head(embedding, tieWordEmbeddings ? embeddingModule : headModule);
    const blocks = Array.from({ length: layers }, (_, layer) => this.#block(layer));
    return {
      embedding,
      blocks,
      finalNorm: this.#vector(`${finalNormModule}.weight`, hiddenSize),
      head,
    };
  }

  /** @param module what the checkpoint calls the head: the embedding's name where the two are tied */
  #head(embedding: Weight, module: string): Weight {
    const { vocabSize, hiddenSize } = this.#config;
    const format = this.#headFormat;
    if (format === undefined) {
      return module === embeddingModule
        ? embedding
        : this.#unquantized(module, vocabSize, hiddenSize);
    }
    const weight = format.quantizeOnLoad(this.#source, [module], format.resolve(this.#config));
    return this.#checked(weight, [module], vocabSize, hiddenSize);
  }

  #block(layer: number): BlockWeights {
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim, qkvBias, qkNorm } = this.#config;
    const modules = blockModules(layer);
    const queryRows = heads * headDim;
    const qkvRows = (heads + 2 * kvHeads) * headDim;
    const biases = modules.qkv.map((module) => `${module}.bias`);
    return {
      inputNorm: this.#vector(`${modules.inputNorm}.weight`, hiddenSize),
      qkv: this.#linear(modules.qkv, qkvRows, hiddenSize),
      qkvBias: qkvBias ? this.#vectors(biases, qkvRows) : undefined,
      qkNorm: qkNorm
        ? {
            q: this.#vector(`${modules.queryNorm}.weight`, headDim),
            k: this.#vector(`${modules.keyNorm}.weight`, headDim),
          }
        : undefined,
      output: this.#linear(modules.output, hiddenSize, queryRows),
      postNorm: this.#vector(`${modules.postNorm}.weight`, hiddenSize),
      gateUp: this.#linear(modules.gateUp, 2 * intermediateSize, hiddenSize),
      down: this.#linear(modules.down, hiddenSize, intermediateSize),
    };
  }

  /** A matrix of a block, in the model's format. */
  #linear(modules: readonly string[], rows: number, columns: number): Weight {
    return this.#checked(this.#loading.load(this.#source, modules), modules, rows, columns);
  }

  /** A matrix that stays BF16 in every format. */
  #unquantized(module: string, rows: number, columns: number): Weight {
    const weight = unquantized.load(this.#source, [module], {});
    return this.#checked(weight, [module], rows, columns);
  }

  #checked(weight: Weight, modules: readonly string[], rows: number, columns: number): Weight {
    if (weight.rows !== rows || weight.columns !== columns) {
      kernels.freeWeight(weight.handle);
      throw new QuantlabError(
        "checkpoint-mismatch",
        `${this.#source.label}: ${modules.join(" + ")} is [${weight.rows}, ${weight.columns}], config.json implies [${rows}, ${columns}]`,
        { hint: "config.json and the tensors are not of the same model" },
      );
    }
    this.#progress(rows * columns, modules[0] ?? "");
    return weight;
  }

  #vector(name: string, size: number): BufferHandle {
    return this.#vectors([name], size);
  }

  /** Vectors end to end in one BF16 buffer of `size` elements. */
  #vectors(names: readonly string[], size: number): BufferHandle {
    const parts = names.map((name) => readVector(this.#source, name));
    const found = parts.reduce((sum, part) => sum + part.length, 0);
    if (found !== size) {
      throw new QuantlabError(
        "checkpoint-mismatch",
        `${this.#source.label}: ${names.join(" + ")} has ${found} elements, config.json implies ${size}`,
        { hint: "config.json and the tensors are not of the same model" },
      );
    }
    const buffer = kernels.createBuffer("bf16", size);
    let offset = 0;
    for (const part of parts) {
      kernels.writeBuffer(buffer, offset, part);
      offset += part.length;
    }
    this.#progress(size, names[0] ?? "");
    return buffer;
  }

  #progress(parameters: number, text: string): void {
    this.#loadedParameters += parameters;
    // A quantized head of a tied model is a matrix that the parameters do not count.
    this.#onProgress(Math.min(1, this.#loadedParameters / this.#totalParameters), text);
  }
}

function readVector(source: TensorSource, name: string): Uint16Array {
  const info = source.info(name);
  const values = new Uint16Array(info.shape.reduce((product, size) => product * size, 1));
  readAsBf16(source, name, info, values);
  return values;
}

/** @param headFormat undefined keeps the head in BF16 @throws checkpoint-mismatch, checkpoint-malformed, format-unsupported */
export function loadLlamaWeights(
  source: TensorSource,
  config: ModelConfig,
  loading: Loading,
  headFormat: Format | undefined,
  onProgress: (fraction: number, text: string) => void,
): LlamaWeights {
  return new Loader(source, config, loading, headFormat, onProgress).load();
}
