import { createServer, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { endpoint } from "./endpoint.ts";
import { ggufFormat, parseLlamaMetrics } from "./llama-server.ts";
import type { TargetRequest } from "./target.ts";

let server: Server | undefined;
afterEach(() => server?.close());

/** A server that answers these pages, as JSON or as text, and 404 to everything else. */
function answering(pages: Readonly<Record<string, unknown>>): Promise<string> {
  return new Promise((resolve) => {
    server = createServer((request, response) => {
      const page = pages[request.url ?? ""];
      if (page === undefined) response.statusCode = 404;
      response.end(typeof page === "string" ? page : JSON.stringify(page ?? { detail: "no" }));
    }).listen(0, "127.0.0.1", () => {
      const address = server?.address();
      resolve(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    });
  });
}

const request: TargetRequest = {
  model: "m",
  format: "bf16",
  maxModelLen: 2048,
  maxNumSeqs: 4,
  threads: undefined,
  seed: 0,
  label: "row",
};

async function factsOf(pages: Readonly<Record<string, unknown>>) {
  const baseUrl = await answering(pages);
  const reached = await endpoint(baseUrl).start(request, () => {}, new AbortController().signal);
  return { modelName: reached.modelName, facts: await reached.facts() };
}

const models = (...data: object[]) => ({ object: "list", data });

describe("an endpoint", () => {
  it("is what it says, and everything else is unknown", async () => {
    const { modelName, facts } = await factsOf({
      "/v1/models": models({ id: "llama", owned_by: "vllm", max_model_len: 4096 }),
      "/version": { version: "0.30.0" },
    });
    expect(modelName).toBe("llama");
    const { raw: _, ...known } = facts;
    expect(known).toEqual({ server: "vllm", version: "0.30.0" });
    const bare = await factsOf({ "/v1/models": models({ id: "x" }) });
    expect(bare.facts).toMatchObject({ server: "unknown", version: undefined, kernel: undefined });
  });

  it("picks the model that has the row's label, where there are several", async () => {
    const { modelName } = await factsOf({ "/v1/models": models({ id: "a" }, { id: "row" }) });
    expect(modelName).toBe("row");
  });

  it("refuses a server whose sequences are too short, before any request fails", async () => {
    const pages = { "/v1/models": models({ id: "a", max_model_len: 512 }) };
    await expect(factsOf(pages)).rejects.toThrow(/at most 512 tokens.* up to 2048/);
  });

  it("asks llama-server for its properties and counters", async () => {
    const { facts } = await factsOf({
      "/v1/models": models({ id: "gguf", owned_by: "llamacpp" }),
      "/props": {
        model_path: "/m/Llama-3.1-8B-Instruct-Q4_K_M.gguf",
        build_info: "b7000-abc",
        total_slots: 4,
        default_generation_settings: { n_ctx: 4096 },
      },
      "/metrics":
        "# HELP llamacpp:n_decode_total x\nllamacpp:n_decode_total 42\nllamacpp:predicted_tokens_seconds 12.5\n",
    });
    expect(facts).toMatchObject({
      server: "llama-server",
      version: "b7000-abc",
      weightBytes: undefined,
    });
    expect(facts.raw).toMatchObject({
      ggufFormat: "Q4_K_M",
      slots: 4,
      contextPerSlot: 4096,
      metrics: { n_decode_total: 42, predicted_tokens_seconds: 12.5 },
    });
  });

  it("says what to do when llama-server was started without its counters", async () => {
    const { facts } = await factsOf({
      "/v1/models": models({ id: "gguf" }),
      "/props": { build_info: "b1", default_generation_settings: { n_ctx: 1 } },
    });
    expect(facts.raw.metricsNote).toContain("--metrics");
  });
});

describe("llama-server's words", () => {
  it("reads the format from a file's name, and leaves an unknown one unknown", () => {
    expect(["a-Q8_0.gguf", "b.IQ4_XS.gguf", "c-bf16.gguf", "d.gguf"].map(ggufFormat)).toEqual([
      "Q8_0",
      "IQ4_XS",
      "bf16",
      undefined,
    ]);
    expect(parseLlamaMetrics('llamacpp:a nan\nother:b 1\nllamacpp:c{x="y"} 2e3')).toEqual({
      c: 2000,
    });
  });
});
