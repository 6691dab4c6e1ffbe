/** Frozen requests on disk: drawn once, hashed, replayed for every format, readable by vLLM. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";
import type { FrozenRequest, RequestManifest } from "./request.ts";

const requestSchema = z.strictObject({
  index: z.number().int().nonnegative(),
  prompt: z.union([z.string(), z.array(z.number().int().nonnegative())]),
  promptTokens: z.number().int().nonnegative(),
  maxTokens: z.number().int().positive(),
  intendedMs: z.number().nonnegative(),
});

const manifestSchema = z.strictObject({
  prompts: z.string(),
  arrivals: z.string(),
  seed: z.number().int().nonnegative(),
  requests: z.array(requestSchema),
  hash: z.string(),
});

/** What freeze takes: a manifest without its hash. */
export type UnhashedManifest = Omit<RequestManifest, "hash">;

/** Numbers the requests' content into a hash and forbids later changes. */
export function freeze(manifest: UnhashedManifest): RequestManifest {
  const requests = manifest.requests.map((request) => Object.freeze({ ...request }));
  return Object.freeze({ ...manifest, requests, hash: hashOf(manifest) });
}

/** SHA-256 of the JSON with keys in a fixed order and no white space. */
function hashOf({ prompts, arrivals, seed, requests }: UnhashedManifest): string {
  const rows = requests.map((r) => [r.index, r.prompt, r.promptTokens, r.maxTokens, r.intendedMs]);
  const canonical = JSON.stringify({ prompts, arrivals, seed, requests: rows });
  return createHash("sha256").update(canonical).digest("hex");
}

/** Writes the manifest as JSON, one request a line so that two of them can be compared by diff. */
export async function writeManifest(path: string, manifest: RequestManifest): Promise<void> {
  const { requests, ...head } = manifest;
  const rows = requests.map((request) => `    ${JSON.stringify(request)}`).join(",\n");
  const fields = Object.entries(head).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  await writeFile(path, `{\n${fields.join(",\n")},\n  "requests": [\n${rows}\n  ]\n}\n`);
}

/** @throws dataset-invalid when the file is not a manifest or its hash does not fit its content */
export async function readManifest(path: string): Promise<RequestManifest> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new QuantlabError("file-not-found", `${path} cannot be read`, { cause });
  });
  let manifest: RequestManifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : "it is not JSON";
    throw new QuantlabError("dataset-invalid", `${path} is not a request manifest: ${why}`, {
      cause,
    });
  }
  const expected = hashOf(manifest);
  if (manifest.hash !== expected) {
    throw new QuantlabError(
      "dataset-invalid",
      `${path} says its hash is ${manifest.hash}, but its content hashes to ${expected}`,
      { hint: "the file was edited; draw the requests anew" },
    );
  }
  return freeze(manifest);
}

/**
 * The prompts as vLLM's `custom` data set: JSONL of {prompt, output_tokens}, for
 * `vllm bench serve --dataset-name custom --custom-output-len -1 --skip-chat-template`.
 * @throws dataset-invalid for token-id prompts, which that data set cannot hold
 */
export function toVllmCustomJsonl(manifest: RequestManifest): string {
  return manifest.requests.map((request) => `${customLine(request)}\n`).join("");
}

function customLine(request: FrozenRequest): string {
  if (typeof request.prompt !== "string") {
    throw new QuantlabError(
      "dataset-invalid",
      `request ${request.index} has token ids for a prompt; vLLM's custom data set holds text only`,
      { hint: "export a manifest drawn from sharegpt or custom, whose prompts are text" },
    );
  }
  return JSON.stringify({ prompt: request.prompt, output_tokens: request.maxTokens });
}
