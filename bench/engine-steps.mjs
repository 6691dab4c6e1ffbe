// Times an engine's steps without HTTP: decode at several batch sizes and contexts, prefill, the time a
// step spends outside the kernels, and decode beside a busy process. Run `npm run build` first.
// Usage: node bench/engine-steps.mjs [--model dummy:llama-3.2-1b] [--formats bf16,fp8,awq]
//   [--batches 1,16,64] [--context 128] [--steps 24] [--repeats 5] [--prefill 512,2048]
//   [--threads 2] [--busy 1] [--json]
// --context lists prompt lengths to decode after; --prefill lists prompts to time, and 0 times none;
// --busy N also decodes at batch 1 beside N busy processes, in turn with undisturbed rounds.
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { engineDefaults, loadEngine, resolveModel } from "../dist/index.js";
import { kernels } from "../dist/kernels/binding.js";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "dummy:llama-3.2-1b" },
    formats: { type: "string", default: "bf16,fp8,awq" },
    batches: { type: "string", default: "1,16,64" },
    context: { type: "string", default: "128" },
    steps: { type: "string", default: "24" },
    repeats: { type: "string", default: "5" },
    prefill: { type: "string", default: "512,2048" },
    threads: { type: "string", default: "2" },
    busy: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    child: { type: "boolean", default: false },
  },
});
const numbers = (text) =>
  text
    .split(",")
    .map(Number)
    .filter((n) => n > 0);
const quantile = (values, q) => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at % 1);
};
const median = (values) => quantile(values, 0.5);
const formats = flags.formats.split(",");

/** Milliseconds inside the addon since the last reset, and calls into it. */
const native = { ms: 0, calls: 0 };
function watchNative() {
  for (const [name, call] of Object.entries(kernels)) {
    if (typeof call !== "function" || /^(probe|memory|cpu|create|free)/.test(name)) continue;
    kernels[name] = (...args) => {
      const startMs = performance.now();
      const result = call(...args);
      native.ms += performance.now() - startMs;
      native.calls++;
      return result;
    };
  }
}

function measure(format) {
  kernels.setThreads(Number(flags.threads));
  const prefills = numbers(flags.prefill);
  const contexts = numbers(flags.context);
  const batches = numbers(flags.batches);
  const steps = Number(flags.steps);
  const repeats = Number(flags.repeats);
  const longest = Math.max(...prefills, ...contexts) + steps * repeats * 3 + 16;
  // Enough cache for the largest batch at the shortest context, and for one sequence at the longest.
  const needed = Math.max(
    longest,
    Math.max(...batches) * (Math.min(...contexts) + steps * repeats + 32),
  );
  const { blockSize } = engineDefaults;
  const tokens = Math.ceil(needed / blockSize) * blockSize;
  const { layers, kvHeads, headDim } = resolveModel(flags.model).config;
  const { engine, model, facts } = loadEngine(
    {
      ...engineDefaults,
      model: flags.model,
      format,
      maxModelLen: longest,
      maxNumSeqs: Math.max(...batches),
      maxNumBatchedTokens: Math.max(512, ...batches),
      kvCacheBytes: tokens * 4 * layers * kvHeads * headDim,
    },
    () => {},
  );
  watchNative();
  const run = new Runner(engine, model.config.vocabSize);
  const weightBytes = kernels.memory().weightBytes;
  const result = { format, machine: kernels.cpu(), threads: Number(flags.threads), tokens };
  Object.assign(result, {
    model: flags.model,
    weightBytes,
    kvBytesPerToken: facts.kvBytesPerToken,
  });
  result.read = [];
  result.peak = [];
  const probe = () => {
    result.read.push(kernels.probeReadBandwidth(1 << 28, 3));
    result.peak.push(kernels.probePeakFlops("bf16", 60));
  };
  result.prefill = prefills.map((length) => {
    const times = [];
    run.prefill(length);
    for (let i = 0; i < repeats; i++) {
      probe();
      times.push(run.prefill(length));
    }
    return { length, times };
  });
  result.decode = [];
  for (const context of contexts)
    for (const batch of batches) {
      if (batch * (context + steps * repeats) > facts.limits.blocks * facts.limits.blockSize)
        continue;
      run.fill(batch, context);
      const cell = { context, batch, times: [], outside: [], calls: 0 };
      for (let i = 0; i < repeats; i++) {
        probe();
        run.decode(steps, cell);
      }
      run.clear();
      result.decode.push(cell);
    }
  const busy = Number(flags.busy);
  if (busy > 0) {
    run.fill(1, contexts[0]);
    result.disturbed = disturbed(run, busy, steps, repeats);
    run.clear();
  }
  model.close();
  return result;
}

class Runner {
  #engine;
  #vocabSize;
  #ids = [];
  #count = 0;
  constructor(engine, vocabSize) {
    this.#engine = engine;
    this.#vocabSize = vocabSize;
  }

  #add(length, maxTokens) {
    const id = `r${this.#count++}`;
    const promptTokenIds = Array.from(
      { length },
      (_, i) => (i * 7919 + this.#count * 31) % this.#vocabSize,
    );
    const params = {
      ...{ maxTokens, minTokens: 0, temperature: 0, topK: 0, topP: 1, seed: undefined },
      ...{ ignoreEos: true, stopTokenIds: [] },
    };
    this.#engine.add({ id, promptTokenIds, params });
    this.#ids.push(id);
  }

  /** Milliseconds from nothing to a prompt's first token. */
  prefill(length) {
    this.#add(length, 1);
    const startMs = performance.now();
    while (this.#engine.hasWork) this.#engine.step();
    this.#ids = [];
    return performance.now() - startMs;
  }

  fill(batch, context) {
    for (let i = 0; i < batch; i++) this.#add(context, this.#engine.limits.maxModelLen - context);
    let tokens = 0;
    while (tokens < batch) tokens = Math.max(tokens, this.#engine.step().length);
  }

  /** Times `steps` decode steps into a cell. */
  decode(steps, cell) {
    for (let i = 0; i < steps; i++) {
      native.ms = 0;
      native.calls = 0;
      const startMs = performance.now();
      this.#engine.step();
      const ms = performance.now() - startMs;
      cell.times.push(ms);
      cell.outside.push(ms - native.ms);
      cell.calls = native.calls;
    }
  }

  clear() {
    for (const id of this.#ids) this.#engine.abort(id);
    this.#ids = [];
  }
}

/** Tokens/s of rounds alone and beside busy processes, in turn. */
function disturbed(run, busy, steps, repeats) {
  const children = Array.from({ length: busy }, () => {
    const child = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
    child.kill("SIGSTOP");
    return child;
  });
  const rates = { alone: [], beside: [] };
  const round = (to) => {
    const cell = { times: [], outside: [] };
    run.decode(steps, cell);
    to.push((1e3 * steps) / cell.times.reduce((sum, ms) => sum + ms, 0));
  };
  try {
    for (let i = 0; i < repeats; i++) {
      round(rates.alone);
      for (const child of children) child.kill("SIGCONT");
      round(rates.beside);
      for (const child of children) child.kill("SIGSTOP");
    }
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
  return { busy, ...rates };
}

function print(result) {
  const { format, machine, threads, weightBytes } = result;
  const read = median(result.read);
  process.stdout.write(
    `${result.model} ${format}, ${machine.model}, ${machine.isa}, ${threads} threads; weights ${(weightBytes / 1e9).toFixed(3)} GB; ` +
      `read ${(read / 1e9).toFixed(1)} GB/s (${range(result.read, 1e9)}), inner product ${(median(result.peak) / 1e12).toFixed(2)} TFLOP/s (${range(result.peak, 1e12)})\n`,
  );
  for (const { length, times } of result.prefill)
    process.stdout.write(
      `  prefill ${length}: ${((1e3 * length) / median(times)).toFixed(0)} tok/s, TTFT ${median(times).toFixed(1)} ms (quartiles ${quartiles(times)}, n ${times.length})\n`,
    );
  for (const { context, batch, times, outside, calls } of result.decode) {
    const ms = median(times);
    process.stdout.write(
      `  decode batch ${batch} after ${context}: ${((1e3 * batch) / ms).toFixed(1)} tok/s, step ${ms.toFixed(2)} ms (quartiles ${quartiles(times)}, n ${times.length}), ` +
        `weights at ${(weightBytes / ms / 1e6).toFixed(1)} GB/s = ${((100 * weightBytes) / ms / 1e-3 / read).toFixed(0)} % of read, ` +
        `outside kernels ${median(outside).toFixed(3)} ms = ${((100 * median(outside)) / ms).toFixed(1)} % (${calls} calls)\n`,
    );
  }
  if (result.disturbed !== undefined) {
    const { busy, alone, beside } = result.disturbed;
    process.stdout.write(
      `  beside ${busy} busy: ${median(beside).toFixed(2)} of ${median(alone).toFixed(2)} tok/s = ${((100 * median(beside)) / median(alone)).toFixed(0)} % (${range(beside, 1)}, n ${beside.length})\n`,
    );
  }
}

function quartiles(times) {
  return `${quantile(times, 0.25).toFixed(2)}-${quantile(times, 0.75).toFixed(2)}`;
}
function range(values, unit) {
  return `${(Math.min(...values) / unit).toFixed(2)}-${(Math.max(...values) / unit).toFixed(2)}`;
}

if (formats.length > 1 || !flags.child) {
  // A process a format, so that each starts with the same memory.
  const results = formats.map((format) => {
    const args = Object.entries(flags).flatMap(([name, value]) =>
      typeof value === "string" && name !== "formats" ? [`--${name}`, value] : [],
    );
    const script = fileURLToPath(import.meta.url);
    const child = spawnSync(process.execPath, [script, ...args, "--formats", format, "--child"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (child.status !== 0) process.exit(child.status ?? 1);
    const result = JSON.parse(child.stdout);
    if (!flags.json) print(result);
    return result;
  });
  if (flags.json) process.stdout.write(`${JSON.stringify(results)}\n`);
} else {
  process.stdout.write(JSON.stringify(measure(formats[0])));
}
