// Engine threads beside a load generator on the same machine: throughput and token gaps with each number
// of threads, in turns, a fresh server each time.
//   node bench/engine-threads.mjs [MODEL] [FORMAT] [ROUNDS]     after a build
import { spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";

const [model = "dummy:smollm2-135m", format = "fp8", rounds = "5"] = process.argv.slice(2);
const cores = availableParallelism();
const counts = [...new Set([Math.max(1, cores - 1), cores])];
const batches = [1, 8, 32];

async function measure(threads) {
  const server = spawn(
    process.execPath,
    [
      ...["bin/quantlab.js", "serve", "--model", model, "--format", format, "--json"],
      ...["--threads", String(threads), "--port", "0", "--max-model-len", "512"],
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  try {
    for await (const line of createInterface({ input: server.stdout })) {
      const { event, baseUrl } = JSON.parse(line);
      if (event === "ready") return batches.map((batch) => bench(baseUrl, batch));
    }
    throw new Error("the server ended before it was ready");
  } finally {
    server.kill();
  }
}

function bench(baseUrl, batch) {
  const load = spawnSync(
    process.execPath,
    [
      ...["bin/quantlab.js", "bench", "serving", "--json", "--base-url", baseUrl],
      ...["--dataset-name", "random", "--input-len", "64", "--output-len", "48"],
      ...["--vocab-size", "2000", "--ignore-eos"],
      ...["--num-prompts", String(3 * batch + 3), "--max-concurrency", String(batch)],
    ],
    { encoding: "utf8" },
  );
  if (load.status !== 0) throw new Error(load.stderr);
  const {
    output_throughput: rate,
    median_itl_ms: median,
    p99_itl_ms: tail,
  } = JSON.parse(load.stdout);
  return { batch, rate, median, tail };
}

const middle = (values) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const results = new Map(counts.map((threads) => [threads, []]));
for (let round = 0; round < Number(rounds); round++)
  for (const threads of counts) results.get(threads).push(...(await measure(threads)));
console.log(`${model} in ${format}, ${cores} cores, medians of ${rounds} rounds in turns`);
for (const batch of batches) {
  for (const threads of counts) {
    const cells = results.get(threads).filter((cell) => cell.batch === batch);
    const of = (key) => middle(cells.map((cell) => cell[key])).toPrecision(3);
    console.log(
      `batch ${batch}, ${threads} threads: ${of("rate")} tok/s, ITL median ${of("median")} ms, p99 ${of("tail")} ms`,
    );
  }
}
