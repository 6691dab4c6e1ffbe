/** The folder a quantized checkpoint grows in: a file a layer, resumable, complete or not there at all. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { QuantlabError } from "../base/errors.ts";
import { indexFileName, singleFileName } from "../checkpoint/open.ts";
import { SafetensorsFile } from "../checkpoint/safetensors.ts";
import { readTensor } from "../checkpoint/tensor-source.ts";
import { type TensorToWrite, writeSafetensors } from "../checkpoint/writer.ts";

/** Larger checkpoints keep their files; smaller ones become one, as people expect. */
const singleFileBytes = 2 ** 30;

const noteKey = "quantlab";

const settingsName = "quantlab-settings.json";

/** Files beside the weights that a server or a tokenizer reads. */
const companions =
  /^(tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|generation_config\.json|chat_template\.(jinja|json)|LICENSE.*)$/;

export class OutputFolder {
  readonly #target: string;
  readonly #growing: string;
  readonly #parts: readonly string[];

  /** @param parts names of the files to come, in order */
  private constructor(target: string, parts: readonly string[]) {
    this.#target = target;
    this.#growing = `${target}.partial`;
    this.#parts = parts;
  }

  /**
   * Begins, or goes on where an earlier run with the same settings stopped.
   * @throws usage when the target is there, or a part of it made with other settings
   */
  static open(target: string, parts: readonly string[], settings: unknown): OutputFolder {
    const folder = new OutputFolder(target, parts);
    if (existsSync(target)) {
      throw new QuantlabError("usage", `${target} exists already`, {
        hint: "pass another --out, or remove it first",
      });
    }
    const text = `${JSON.stringify(settings, null, 2)}\n`;
    const path = join(folder.#growing, settingsName);
    if (!existsSync(folder.#growing)) {
      mkdirSync(folder.#growing, { recursive: true });
      writeFileSync(path, text);
    } else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
      throw new QuantlabError(
        "usage",
        `${folder.#growing} holds a part of a checkpoint made with other settings`,
        { hint: "remove it, or run again with the settings in its quantlab-settings.json" },
      );
    }
    return folder;
  }

  has(part: string): boolean {
    return existsSync(join(this.#growing, part));
  }

  /** @param note kept in the file, so that a later run that finds it there knows it too */
  write(part: string, tensors: readonly TensorToWrite[], note: unknown): void {
    const metadata = { format: "pt", [noteKey]: JSON.stringify(note) };
    writeSafetensors(join(this.#growing, part), tensors, metadata);
  }

  /** The note of each part. */
  notes(): readonly unknown[] {
    return this.#parts.map((part) => {
      const source = SafetensorsFile.open(join(this.#growing, part));
      const text = source.metadata.get(noteKey);
      source.close();
      return text === undefined ? undefined : JSON.parse(text);
    });
  }

  /** Leaves nothing behind: what was read is damaged, and would be again. */
  discard(): void {
    rmSync(this.#growing, { recursive: true, force: true });
  }

  /**
   * Puts the files in their final form beside config.json and the tokenizer, and gives the folder its
   * name. @returns bytes of all tensors
   */
  finish(config: unknown, sourceFolder: string | undefined, report: unknown): number {
    const sources = this.#parts.map((part) => SafetensorsFile.open(join(this.#growing, part)));
    const sizes = sources.map((source) =>
      source.names().reduce((sum, name) => sum + source.info(name).byteLength, 0),
    );
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    try {
      if (bytes <= singleFileBytes) this.#merge(sources);
    } finally {
      for (const source of sources) source.close();
    }
    if (bytes > singleFileBytes) this.#shard(bytes);
    this.#writeJson("config.json", config);
    this.#writeJson("quantlab-quantization.json", report);
    for (const name of sourceFolder === undefined ? [] : readdirSync(sourceFolder)) {
      if (!companions.test(name) || sourceFolder === undefined) continue;
      copyFileSync(join(sourceFolder, name), join(this.#growing, name));
    }
    rmSync(join(this.#growing, settingsName));
    renameSync(this.#growing, this.#target);
    return bytes;
  }

  #merge(sources: readonly SafetensorsFile[]): void {
    const tensors = sources.flatMap((source) =>
      source.names().map((name) => {
        const { dtype, shape } = source.info(name);
        return { name, dtype, shape, read: () => readTensor(source, name) };
      }),
    );
    writeSafetensors(join(this.#growing, singleFileName), tensors);
    for (const part of this.#parts) rmSync(join(this.#growing, part));
  }

  #shard(bytes: number): void {
    const weightMap: Record<string, string> = {};
    const count = `${this.#parts.length}`.padStart(5, "0");
    for (const [i, part] of this.#parts.entries()) {
      const name = `model-${`${i + 1}`.padStart(5, "0")}-of-${count}.safetensors`;
      const source = SafetensorsFile.open(join(this.#growing, part));
      for (const tensor of source.names()) weightMap[tensor] = name;
      source.close();
      renameSync(join(this.#growing, part), join(this.#growing, name));
    }
    this.#writeJson(indexFileName, {
      metadata: { total_size: bytes },
      weight_map: weightMap,
    });
  }

  #writeJson(name: string, value: unknown): void {
    writeFileSync(join(this.#growing, name), `${JSON.stringify(value, null, 2)}\n`);
  }
}
