// The same frozen requests against the same server, read by `quantlab bench serving` and by `vllm bench
// serve` in turn: do the two agree within what each differs from itself?
// Usage: node bench/beside-vllm.mjs --vllm VLLM [--model bundled] [--runs 5] [--requests 40]
//          [--concurrency 4] [--write docs/beside-vllm.md]
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binary = join(root, "bin/quantlab.js");
const { values: flags } = parseArgs({
  options: {
    vllm: { type: "string" },
    model: { type: "string", default: "bundled" },
    runs: { type: "string", default: "5" },
    requests: { type: "string", default: "40" },
    concurrency: { type: "string", default: "4" },
    write: { type: "string" },
  },
});
if (flags.vllm === undefined) throw new Error("give --vllm with the path of the vllm executable");

/** What both write under the same keys. */
const compared = [
  ["mean_ttft_ms", "TTFT mean, ms"],
  ["median_ttft_ms", "TTFT median, ms"],
  ["mean_tpot_ms", "TPOT mean, ms"],
  ["median_tpot_ms", "TPOT median, ms"],
  ["mean_itl_ms", "ITL mean, ms"],
  ["p99_itl_ms", "ITL p99, ms"],
  ["mean_e2el_ms", "E2EL mean, ms"],
  ["output_throughput", "output tok/s"],
  ["request_throughput", "requests/s"],
];

function run(program, argv) {
  const env = { ...process.env, HF_HUB_OFFLINE: "1", VLLM_LOGGING_LEVEL: "ERROR" };
  const child = spawn(program, argv, { stdio: ["ignore", "pipe", "pipe"], env });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0
        ? resolve(stdout)
        : reject(new Error(`${program} ended with ${code}: ${stderr.slice(-1000)}`)),
    );
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
  const child = spawn(process.execPath, [binary, ...argv], { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === "ready") return { child, baseUrl: event.baseUrl, model: event.facts.model };
  }
  throw new Error("the server did not start");
}

const folder = mkdtempSync(join(tmpdir(), "quantlab-beside-"));
const manifest = join(folder, "requests.json");
const custom = join(folder, "custom.jsonl");

async function ours({ baseUrl }) {
  const drawn = [
    "--dataset-name",
    "lengths",
    "--length-scale",
    "0.3",
    "--num-prompts",
    flags.requests,
  ];
  const output = await run(process.execPath, [
    ...[binary, "bench", "serving", "--base-url", baseUrl, ...drawn, "--seed", "1"],
    ...[
      "--save-requests",
      manifest,
      "--export-vllm",
      custom,
      "--max-concurrency",
      flags.concurrency,
    ],
    ...["--ignore-eos", "--num-warmups", "4", "--json"],
  ]);
  return JSON.parse(output);
}

async function theirs({ baseUrl, model }) {
  await run(flags.vllm, [
    ...["bench", "serve", "--backend", "openai", "--endpoint", "/v1/completions"],
    ...["--base-url", baseUrl, "--model", model, "--tokenizer", join(root, "models/gsm-tiny")],
    ...["--dataset-name", "custom", "--dataset-path", custom, "--custom-output-len", "-1"],
    ...["--skip-chat-template", "--disable-shuffle", "--num-prompts", flags.requests],
    ...["--max-concurrency", flags.concurrency, "--ignore-eos", "--temperature", "0"],
    ...["--num-warmups", "4", "--percentile-metrics", "ttft,tpot,itl,e2el", "--disable-tqdm"],
    ...["--metric-percentiles", "99", "--save-result", "--result-dir", folder],
    ...["--result-filename", "vllm.json"],
  ]);
  return JSON.parse(readFileSync(join(folder, "vllm.json"), "utf8"));
}

/** Mean, and the sample standard deviation over runs. */
function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

function rowOf([key, name], pairs) {
  const a = spread(pairs.map(({ ours }) => ours[key]));
  const b = spread(pairs.map(({ theirs }) => theirs[key]));
  const paired = spread(pairs.map(({ ours, theirs }) => ours[key] - theirs[key]));
  // Difference of two single runs of one client: what "the same" can look like.
  const noise = Math.SQRT2 * Math.max(a.sd, b.sd);
  return {
    key,
    name,
    ours: a,
    theirs: b,
    difference: paired.mean,
    noise,
    within: Math.abs(paired.mean) <= noise,
  };
}

const server = await startServer();
const version = /\d+\.\d+\S*/.exec(await run(flags.vllm, ["--version"]))?.[0] ?? "";
const pairs = [];
const loads = [];
try {
  for (let i = 0; i < Number(flags.runs); i++) {
    process.stderr.write(`run ${i + 1} of ${flags.runs}\n`);
    // ABBA: a drift of the machine falls on both.
    const first = i % 2 === 0 ? [ours, theirs] : [theirs, ours];
    if (i === 0) await ours(server);
    const results = {};
    for (const measure of first) results[measure.name] = await measure(server);
    pairs.push({ ours: results.ours, theirs: results.theirs });
    loads.push(loadavg()[0]);
  }
} finally {
  server.child.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}
const rows = compared.map((each) => rowOf(each, pairs));
const counts = pairs.map(({ ours, theirs }) =>
  [ours, theirs].map((r) => [r.completed, r.total_input_tokens, r.total_output_tokens]),
);
const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)} during the runs`;
const number = (value) => value.toPrecision(4);
const table = rows.map(
  (row) =>
    `| ${row.name} | ${number(row.ours.mean)} ± ${row.ours.sd.toPrecision(2)} | ${number(row.theirs.mean)} ± ${row.theirs.sd.toPrecision(2)} | ${row.difference.toPrecision(3)} | ${row.noise.toPrecision(3)} | ${row.within ? "yes" : "no"} |`,
);
const page = `# The same requests, read by two clients

${flags.requests} frozen requests (text prompts, lengths as in ShareGPT times 0.3, EOS ignored, ${flags.concurrency} in
flight) against one \`quantlab serve --model ${flags.model}\`, read in turn by \`quantlab bench serving\` and
by \`vllm bench serve\` ${version}, ${flags.runs} runs each in the order ABBA. ${machine}.
Written by \`node bench/beside-vllm.mjs --vllm VLLM --write docs/beside-vllm.md\`.

| | quantlab, mean ± sd over runs | vLLM, mean ± sd over runs | paired difference | noise | within |
|---|---|---|---|---|---|
${table.join("\n")}

"Noise" is the standard deviation of the difference of two single runs of the noisier client (the
square root of 2 times its sd): on a machine that does other work it is large, and agreement within it
says little; read it with the load average above. Where TTFT differs, the clients' own errors do too: [load-generator.md](load-generator.md)
has both beside a server of known TTFT. Requests completed, prompt and output tokens of both clients, run by run:
${JSON.stringify(counts)}.
`;
process.stdout.write(`${JSON.stringify({ version, machine, rows, counts }, null, 2)}\n`);
if (flags.write !== undefined) writeFileSync(flags.write, page);
