/** Every kind of target by the name that `--target` takes. */
import { QuantlabError } from "../base/errors.ts";
import { embedded } from "./embedded.ts";
import { endpoint } from "./endpoint.ts";
import type { Target } from "./target.ts";
import { vllmTarget } from "./vllm/index.ts";

export interface TargetKind {
  readonly name: "embedded" | "vllm" | "endpoint";
  /** For help and the doctor. */
  readonly title: string;
  /** @throws usage when what it needs is not given, or it is not built yet */
  create(baseUrl: string | undefined): Target;
}

export const targets: readonly TargetKind[] = [
  {
    name: "embedded",
    title: "quantlab's own engine, one fresh server per format",
    create: () => embedded,
  },
  {
    name: "vllm",
    title: "vLLM, started and stopped for each format",
    create: () => vllmTarget(),
  },
  {
    name: "endpoint",
    title: "an OpenAI-compatible server that already runs",
    create(baseUrl) {
      if (baseUrl !== undefined) return endpoint(baseUrl);
      throw new QuantlabError("usage", "--target endpoint needs the server's address", {
        hint: "add --base-url http://127.0.0.1:8000, or baseUrl in lab.yaml",
      });
    },
  },
];

/** @throws usage */
export function createTarget(name: string, baseUrl: string | undefined): Target {
  const kind = targets.find((candidate) => candidate.name === name);
  if (kind !== undefined) return kind.create(baseUrl);
  throw new QuantlabError("usage", `there is no target "${name}"`, {
    hint: `take one of ${targets.map((candidate) => candidate.name).join(", ")}`,
  });
}
