/** What `vllm serve` is given as model: a folder, a hub id, or a folder written for random weights. */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ModelConfig } from "../../checkpoint/model-config.ts";
import { type ResolvedModel, resolveModel } from "../../checkpoint/resolve.ts";
import { QuantlabError } from "../../base/errors.ts";

export interface VllmModel {
  /** First argument of `vllm serve`. */
  readonly path: string;
  readonly hasDummyWeights: boolean;
  /** undefined for a hub id that is not on this machine. */
  readonly config: ModelConfig | undefined;
  readonly trained: boolean;
  /** Of its weight files; undefined where they are not here. */
  readonly fileBytes: number | undefined;
}

const hubId = /^[\w.-]+\/[\w.-]+$/;

/** Whether a model is named by its id on the Hugging Face hub. */
export function isHubId(spec: string): boolean {
  return hubId.test(spec) && !existsSync(spec);
}

/** Snapshot folder of a hub id in the local cache; undefined when it is not there. */
export function cachedSnapshot(
  id: string,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const home = env.HF_HOME ?? join(homedir(), ".cache", "huggingface");
  const hub = env.HF_HUB_CACHE ?? join(home, "hub");
  const snapshots = join(hub, `models--${id.replaceAll("/", "--")}`, "snapshots");
  if (!existsSync(snapshots)) return undefined;
  return readdirSync(snapshots)
    .map((name) => join(snapshots, name))
    .filter((folder) => existsSync(join(folder, "config.json")))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/**
 * @param folder where files for a dummy model may be written
 * @throws as resolveModel, for what is neither a folder, a shape nor a hub id
 */
export function modelFiles(spec: string, format: string, folder: string): VllmModel {
  if (isHubId(spec)) {
    const cached = cachedSnapshot(spec);
    if (cached === undefined) {
      return {
        path: spec,
        hasDummyWeights: false,
        config: undefined,
        trained: true,
        fileBytes: undefined,
      };
    }
    return { ...fromFolder(resolveModel(cached)), path: spec };
  }
  const model = resolveModel(spec);
  if (model.folder !== undefined) return fromFolder(model);
  return {
    path: writeDummy(model, format, folder),
    hasDummyWeights: true,
    config: model.config,
    trained: false,
    fileBytes: undefined,
  };
}

function fromFolder(model: ResolvedModel): VllmModel {
  const folder = model.folder ?? "";
  const fileBytes = readdirSync(folder)
    .filter((name) => name.endsWith(".safetensors"))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return {
    path: folder,
    hasDummyWeights: false,
    config: model.config,
    trained: model.trained,
    fileBytes: fileBytes === 0 ? undefined : fileBytes,
  };
}

/** config.json and a tokenizer, which vLLM reads even when it makes the weights itself. */
function writeDummy(model: ResolvedModel, format: string, folder: string): string {
  const path = join(folder, `${model.label.replace(/[^\w.-]+/g, "-")}-${format}`);
  mkdirSync(path, { recursive: true });
  const config = { ...configJson(model.config), ...quantizationJson(format) };
  writeFileSync(join(path, "config.json"), JSON.stringify(config, null, 2));
  writeFileSync(
    join(path, "tokenizer.json"),
    JSON.stringify(tokenizerJson(model.config.vocabSize)),
  );
  writeFileSync(
    join(path, "tokenizer_config.json"),
    JSON.stringify({
      tokenizer_class: "PreTrainedTokenizerFast",
      bos_token: word(0),
      eos_token: word(1),
      unk_token: word(0),
    }),
  );
  return path;
}

/** A ModelConfig in the words of Hugging Face's config.json. */
export function configJson(config: ModelConfig): Record<string, unknown> {
  if (config.architecture !== "LlamaForCausalLM") {
    throw new QuantlabError(
      "format-unsupported",
      "dummy weights on vLLM are for Llama shapes only",
    );
  }
  const { ropeScaling } = config;
  return {
    architectures: [config.architecture],
    model_type: "llama",
    torch_dtype: "bfloat16",
    hidden_act: "silu",
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabSize,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    ...(ropeScaling.type === "llama3"
      ? {
          rope_scaling: {
            rope_type: "llama3",
            factor: ropeScaling.factor,
            low_freq_factor: ropeScaling.lowFreqFactor,
            high_freq_factor: ropeScaling.highFreqFactor,
            original_max_position_embeddings: ropeScaling.originalMaxPositions,
          },
        }
      : {}),
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tieWordEmbeddings,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: config.bosTokenId ?? 0,
    eos_token_id: [...config.eosTokenIds],
  };
}

/** With random weights any format's layout can be made; the published AWQ checkpoints' one is this. */
function quantizationJson(format: string): Record<string, unknown> {
  if (format !== "awq") return {};
  return {
    quantization_config: {
      quant_method: "awq",
      bits: 4,
      group_size: 128,
      zero_point: true,
      version: "gemm",
    },
  };
}

const word = (id: number) => `t${id}`;

/** One word for each id: prompts are sent as ids, and answers need only be printable. */
function tokenizerJson(vocabSize: number): Record<string, unknown> {
  const vocab = Object.fromEntries(Array.from({ length: vocabSize }, (_, id) => [word(id), id]));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "Whitespace" },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: word(0) },
  };
}
