/** Turns what a user writes after --model into a configuration and a place to load from. */
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { QuantlabError } from "../base/errors.ts";
import { readModelConfig } from "./config.ts";
import type { ModelConfig } from "./model-config.ts";
import { shapeConfig } from "./shapes.ts";

export interface ResolvedModel {
  readonly kind: "dummy" | "folder";
  readonly config: ModelConfig;
  /** "dummy:llama-3.2-1b", "bundled" or the folder's name. */
  readonly label: string;
  /** Absolute; undefined for dummy weights. */
  readonly folder: string | undefined;
  readonly trained: boolean;
  /** Where tokenizer.json lies; undefined means the stand-in tokenizer of text/. */
  readonly tokenizerFolder: string | undefined;
}

// Two levels up from src/checkpoint and from dist/checkpoint alike.
const bundledFolder = fileURLToPath(new URL("../../models/gsm-tiny", import.meta.url));

/** Whether the bundled trained model is there. */
export function isBundledModelPresent(): boolean {
  return existsSync(join(bundledFolder, "config.json"));
}

function folderModel(folder: string, label: string): ResolvedModel {
  const config = readModelConfig(folder);
  const tokenizerFolder = existsSync(join(folder, "tokenizer.json")) ? folder : undefined;
  const trained = config.randomWeights !== true;
  return { kind: "folder", config, label, folder, trained, tokenizerFolder };
}

function bundled(): ResolvedModel {
  if (!isBundledModelPresent()) {
    throw new QuantlabError("file-not-found", "this copy of quantlab has no bundled model", {
      hint: "take --model dummy:smollm2-135m for speed and memory, or the folder of a checkpoint",
    });
  }
  return folderModel(bundledFolder, "bundled");
}

function missing(spec: string): QuantlabError {
  const looksLikeHubId = /^[\w.-]+\/[\w.-]+$/.test(spec);
  return new QuantlabError("file-not-found", `there is no folder "${spec}"`, {
    hint: looksLikeHubId
      ? `to use ${spec} from the Hugging Face hub, download it first (\`hf download ${spec} --local-dir DIR\`) and pass --model DIR`
      : 'pass a folder with config.json and *.safetensors, "bundled", or dummy:SHAPE',
  });
}

/**
 * "dummy:SHAPE", "bundled" or a folder's path.
 * @throws usage, file-not-found, checkpoint-malformed, architecture-unsupported
 */
export function resolveModel(spec: string): ResolvedModel {
  if (spec.startsWith("dummy:")) {
    const config = shapeConfig(spec.slice("dummy:".length));
    return {
      kind: "dummy",
      config,
      label: spec,
      folder: undefined,
      trained: false,
      tokenizerFolder: undefined,
    };
  }
  if (spec === "bundled") return bundled();
  const folder = resolve(spec);
  if (!existsSync(folder)) throw missing(spec);
  if (!statSync(folder).isDirectory()) {
    throw new QuantlabError("file-not-found", `"${spec}" is a file, not a folder`, {
      hint: "pass the folder that holds it and config.json",
    });
  }
  return folderModel(folder, basename(folder));
}
