/** Several safetensors files, named by model.safetensors.index.json, as one TensorSource. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { assert, QuantlabError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { SafetensorsFile } from "./safetensors.ts";
import type { TensorInfo, TensorSource } from "./tensor-source.ts";

const indexSchema = z.looseObject({
  metadata: z.looseObject({ total_size: z.number().optional() }).optional(),
  weight_map: z.record(z.string(), z.string()),
});

export class ShardedSource implements TensorSource {
  readonly label: string;
  readonly #files: readonly SafetensorsFile[];
  readonly #fileOf = new Map<string, SafetensorsFile>();

  private constructor(label: string, files: readonly SafetensorsFile[]) {
    this.label = label;
    this.#files = files;
  }

  /** Opens every file that the index names. @throws file-not-found, checkpoint-malformed */
  static open(indexPath: string): ShardedSource {
    const { weightMap, totalSize } = readIndex(indexPath);
    const files = new Map<string, SafetensorsFile>();
    try {
      for (const name of new Set(weightMap.values())) {
        checkBareName(name, indexPath);
        files.set(name, SafetensorsFile.open(join(dirname(indexPath), name)));
      }
      const source = new ShardedSource(dirname(indexPath), [...files.values()]);
      source.#assign(weightMap, files, indexPath);
      source.#compareSize(totalSize, indexPath);
      return source;
    } catch (error) {
      for (const file of files.values()) file.close();
      throw error;
    }
  }

  names(): readonly string[] {
    return [...this.#fileOf.keys()];
  }

  has(name: string): boolean {
    return this.#fileOf.has(name);
  }

  info(name: string): TensorInfo {
    return this.#file(name).info(name);
  }

  readInto(name: string, target: Uint8Array): void {
    this.#file(name).readInto(name, target);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #file(name: string): SafetensorsFile {
    const file = this.#fileOf.get(name);
    if (file !== undefined) return file;
    throw new QuantlabError("checkpoint-mismatch", `${this.label} has no tensor "${name}"`);
  }

  /** Each mapped tensor is in its file and in no other; tensors outside the map are left out. */
  #assign(
    weightMap: ReadonlyMap<string, string>,
    files: ReadonlyMap<string, SafetensorsFile>,
    indexPath: string,
  ): void {
    const holders = new Map<string, string>();
    for (const [fileName, file] of files) {
      for (const tensor of file.names()) {
        const other = holders.get(tensor);
        if (other !== undefined) {
          throw wrongIndex(indexPath, `tensor "${tensor}" is in ${other} and in ${fileName}`);
        }
        holders.set(tensor, fileName);
        if (!weightMap.has(tensor)) {
          log.warn({ tensor, file: fileName }, "a tensor that the index does not name is left out");
        }
      }
    }
    for (const [tensor, fileName] of weightMap) {
      if (holders.get(tensor) !== fileName) {
        throw wrongIndex(indexPath, `tensor "${tensor}" is not in ${fileName}`);
      }
      const file = files.get(fileName);
      assert(file !== undefined, "every file of the map is open");
      this.#fileOf.set(tensor, file);
    }
  }

  /** Writers disagree on what total_size counts, so a difference is worth a line and no more. */
  #compareSize(totalSize: number | undefined, indexPath: string): void {
    const bytes = this.names().reduce((sum, name) => sum + this.info(name).byteLength, 0);
    if (totalSize !== undefined && totalSize !== bytes) {
      log.warn({ index: indexPath, totalSize, bytes }, "total_size is not the sum of the tensors");
    }
  }
}

function readIndex(path: string): {
  weightMap: Map<string, string>;
  totalSize: number | undefined;
} {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new QuantlabError("checkpoint-malformed", `${path} cannot be read as JSON`, { cause });
  }
  const parsed = indexSchema.safeParse(value);
  if (!parsed.success) throw wrongIndex(path, z.prettifyError(parsed.error));
  const { weight_map, metadata } = parsed.data;
  return { weightMap: new Map(Object.entries(weight_map)), totalSize: metadata?.total_size };
}

/** A file name leads nowhere but into the index's own folder. */
function checkBareName(name: string, indexPath: string): void {
  if (name === "" || name === "." || name === ".." || /[/\\\0]/.test(name)) {
    throw wrongIndex(indexPath, `${JSON.stringify(name)} is not the bare name of a file`);
  }
}

function wrongIndex(path: string, what: string): QuantlabError {
  return new QuantlabError("checkpoint-malformed", `${path}: ${what}`, {
    hint: "the index and its files do not belong together; download the folder again",
  });
}
