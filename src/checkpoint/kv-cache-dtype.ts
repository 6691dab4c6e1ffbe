/** What a KV cache stores: the values of `--kv-cache-dtype`, named as in vLLM. */
import { QuantlabError } from "../base/errors.ts";

export const kvCacheChoices = ["auto", "bf16", "fp8"] as const;

/** "auto" is the model's own dtype, which is BF16 here in every format. */
export type KvCacheChoice = (typeof kvCacheChoices)[number];
export type KvCacheDtype = Exclude<KvCacheChoice, "auto">;

export function kvCacheDtypeOf(choice: KvCacheChoice | undefined): KvCacheDtype {
  return choice === undefined || choice === "auto" ? "bf16" : choice;
}

/** @throws usage */
export function parseKvCacheDtype(text: string): KvCacheDtype {
  const choice = kvCacheChoices.find((name) => name === text);
  if (choice !== undefined) return kvCacheDtypeOf(choice);
  throw new QuantlabError("usage", `"${text}" is no type of a key-value cache`, {
    hint: `write ${kvCacheChoices.join(", ")}`,
  });
}

/** Scales are one number a layer: nothing beside the elements. */
export const kvBytesPerElement: Readonly<Record<KvCacheDtype, number>> = { bf16: 2, fp8: 1 };
