// Real clients, unmodified, against `quantlab serve`: each runs to its end, and docs/interoperability.md says so.
// Usage: node bench/interoperability.mjs [--model bundled] [--openai-python PYTHON] [--vllm VLLM]
//          [--lm-eval-python PYTHON --gsm8k FOLDER] [--write]
// Clients that are not given are listed as not run. OpenAI's Node client is a development dependency.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import OpenAI from "openai";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "bundled" },
    "openai-python": { type: "string" },
    vllm: { type: "string" },
    "lm-eval-python": { type: "string" },
    gsm8k: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const limitMs = 900_000;

/** Runs a program; its outputs, or an error with its last words. */
function run(program, argv, env = {}) {
  const child = spawn(program, argv, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HF_HUB_OFFLINE: "1", HF_DATASETS_OFFLINE: "1", ...env },
    timeout: limitMs,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`ended with ${code ?? signal}: ${output.slice(-1500)}`));
    });
  });
}

async function startServer() {
  const argv = [
    "serve",
    "--model",
    flags.model,
    "--port",
    "0",
    "--max-model-len",
    "2048",
    "--json",
  ];
  const child = spawn(process.execPath, [join(root, "bin/quantlab.js"), ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === "ready") return { child, baseUrl: event.baseUrl, model: event.facts.model };
  }
  throw new Error("the server did not start");
}

async function openaiNode({ baseUrl, model }) {
  const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: "none", maxRetries: 0 });
  const done = [];
  await client.models.list();
  done.push("models.list");
  const fields = { model, prompt: "One", max_tokens: 8, temperature: 0 };
  const whole = await client.completions.create({ ...fields, logprobs: 2, n: 2 });
  done.push("completions.create with n and logprobs");
  let text = "";
  for await (const chunk of await client.completions.create({ ...fields, stream: true })) {
    text += chunk.choices[0]?.text ?? "";
  }
  if (text !== whole.choices[0].text) throw new Error("the streamed text is another one");
  done.push("completions.create as a stream, equal to the whole answer");
  const messages = [{ role: "user", content: "How many are 3 and 4?" }];
  const chat = await client.chat.completions.create({
    ...{ model, messages, max_completion_tokens: 12, logprobs: true, top_logprobs: 2 },
  });
  if (chat.choices[0].logprobs.content.length !== chat.usage.completion_tokens) {
    throw new Error("not one logprob a token");
  }
  done.push("chat.completions.create with logprobs");
  return {
    version: JSON.parse(readFileSync(join(root, "node_modules/openai/package.json"))).version,
    done,
  };
}

async function openaiPython({ baseUrl }, python) {
  const script = join(root, "test/oracles/openai_client.py");
  const output = await run(python, [script, `${baseUrl}/v1`]);
  return JSON.parse(output.trim().split("\n").at(-1));
}

async function vllmBench({ baseUrl, model }, vllm) {
  const folder = mkdtempSync(join(tmpdir(), "quantlab-interoperability-"));
  const done = [];
  try {
    for (const [backend, endpoint] of [
      ["openai", "/v1/completions"],
      ["openai-chat", "/v1/chat/completions"],
    ]) {
      await run(vllm, [
        ...["bench", "serve", "--backend", backend, "--endpoint", endpoint, "--base-url", baseUrl],
        ...["--model", model, "--tokenizer", join(root, "models/gsm-tiny"), "--disable-tqdm"],
        ...["--dataset-name", "random", "--random-input-len", "64", "--random-output-len", "32"],
        ...["--num-prompts", "24", "--max-concurrency", "8", "--save-result"],
        ...["--result-dir", folder, "--result-filename", "result.json"],
      ]);
      const result = JSON.parse(readFileSync(join(folder, "result.json"), "utf8"));
      if (result.completed !== 24) throw new Error(`${result.completed} of 24 completed`);
      done.push(`${backend}: 24 of 24 requests, ${result.total_output_tokens} tokens`);
    }
    const version = /\d+\.\d+\S*/.exec(await run(vllm, ["--version"]))?.[0];
    return { version, done };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function lmEval({ baseUrl, model }, python, gsm8k) {
  const offline = ["test/oracles/lm_eval_offline.py", "--data", gsm8k];
  const common = "num_concurrent=4,max_retries=1,timeout=300";
  const completions = `model=${model},base_url=${baseUrl}/v1/completions,${common}`;
  const chat = `model=${model},base_url=${baseUrl}/v1/chat/completions,${common}`;
  const generate = ["--tasks", "gsm8k", "--num_fewshot", "1", "--limit", "4"];
  const shorter = ["--gen_kwargs", "max_gen_toks=48"];
  const tokenizer = `tokenizer=${join(root, "models/gsm-tiny")},tokenizer_backend=huggingface`;
  const likelihood = [
    "--tasks",
    "quantlab_likelihood",
    "--include_path",
    "test/oracles/lm_eval_tasks",
  ];
  const runs = [
    [
      "local-completions, gsm8k, prompts as text",
      "local-completions",
      `${completions},tokenizer_backend=None,tokenized_requests=False`,
      [...generate, ...shorter],
    ],
    [
      "local-completions, gsm8k, lists of four prompts",
      "local-completions",
      `${completions},tokenizer_backend=None,tokenized_requests=False`,
      [...generate, ...shorter, "--batch_size", "4"],
    ],
    [
      "local-chat-completions, gsm8k",
      "local-chat-completions",
      chat,
      [...generate, ...shorter, "--apply_chat_template"],
    ],
    [
      "local-completions, log-likelihoods by echo, prompts as token ids",
      "local-completions",
      `${completions},${tokenizer}`,
      likelihood,
    ],
  ];
  const done = [];
  for (const [what, kind, args, more] of runs) {
    const output = await run(python, [...offline, "--model", kind, "--model_args", args, ...more], {
      OPENAI_API_KEY: "none",
    });
    const row = output.split("\n").find((line) => /\|\s*(flexible-extract|none)\s*\|/.test(line));
    if (row === undefined) throw new Error(`${what}: no result table: ${output.slice(-800)}`);
    done.push(what);
  }
  const version = await run(python, [
    "-c",
    "import importlib.metadata as m; print(m.version('lm_eval'))",
  ]);
  return { version: version.trim(), done };
}

function page(results, model) {
  const rows = results.map(({ name, version, done, error }) => {
    const outcome =
      error !== undefined ? `failed: ${error}` : done === undefined ? "not run here" : "completes";
    const details = (done ?? []).map((each) => each.replaceAll("|", "\\|")).join("; ");
    return `| ${name} | ${version ?? "-"} | ${outcome} | ${details} |`;
  });
  return `# Interoperability

Clients of other people, unmodified, against \`quantlab serve --model ${model}\`. Written by
\`node bench/interoperability.mjs --write\`, which runs each of them to its end and checks what it got.

| client | version | outcome | what was asked |
|---|---|---|---|
${rows.join("\n")}

Scores are not the subject here: that \`lm_eval\` gives the same score as \`quantlab eval gsm8k\` is
another check. Fields of OpenAI's and vLLM's API that the server does not support are refused with
HTTP 400 and the field's name; \`src/openai/refused-fields.ts\` is the list. A field nobody knows is
refused too, so that a misspelt one cannot be ignored in silence.
`;
}

const server = await startServer();
const clients = [
  ["openai (Node)", () => openaiNode(server), true],
  ["openai (Python)", () => openaiPython(server, flags["openai-python"]), flags["openai-python"]],
  ["vllm bench serve", () => vllmBench(server, flags.vllm), flags.vllm],
  [
    "lm_eval",
    () => lmEval(server, flags["lm-eval-python"], flags.gsm8k),
    flags["lm-eval-python"] && flags.gsm8k,
  ],
];
const results = [];
for (const [name, start, isGiven] of clients) {
  process.stderr.write(`${name}\n`);
  const outcome = isGiven
    ? await start().catch((error) => ({
        error: error.message.trim().split("\n").at(-1),
        whole: error.message,
      }))
    : {};
  if (outcome.whole !== undefined) process.stderr.write(`${outcome.whole}\n`);
  results.push({ name, version: outcome.version, done: outcome.done, error: outcome.error });
}
server.child.kill("SIGTERM");
process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
if (flags.write) writeFileSync(join(root, "docs/interoperability.md"), page(results, flags.model));
process.exitCode = results.some(({ error }) => error !== undefined) ? 1 : 0;
