/** Finds the safetensors files of a checkpoint folder and opens them as one TensorSource. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { SafetensorsFile } from "./safetensors.ts";
import { ShardedSource } from "./sharded.ts";
import type { TensorSource } from "./tensor-source.ts";

export const indexFileName = "model.safetensors.index.json";
export const singleFileName = "model.safetensors";

/**
 * The index if there is one, else model.safetensors, else the only .safetensors file.
 * @throws file-not-found, checkpoint-malformed
 */
export function openCheckpoint(folder: string): TensorSource {
  const index = join(folder, indexFileName);
  if (existsSync(index)) return ShardedSource.open(index);
  const single = join(folder, singleFileName);
  if (existsSync(single)) return SafetensorsFile.open(single);
  const found = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  const only = found[0];
  if (only !== undefined && found.length === 1) return SafetensorsFile.open(join(folder, only));
  const what =
    found.length === 0
      ? "holds no .safetensors file"
      : `holds ${found.length} .safetensors files and no ${indexFileName}`;
  throw new QuantlabError("file-not-found", `${folder} ${what}`, {
    hint: `a checkpoint is config.json with ${singleFileName}, or with ${indexFileName} and the files it names; .bin and .pt files are not read`,
  });
}
