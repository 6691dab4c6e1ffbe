// Child process: one group of cells on quantlab's engine, driven step by step as its server does.
// Usage: node ours-visit.mjs '{"model":"dummy:...","format":"fp8","group":"single","threads":2}'
import { engineDefaults, loadEngine } from "../../dist/index.js";
import { kernels } from "../../dist/kernels/binding.js";
import { lengths } from "./cells.mjs";

const { model, group, threads, options = {} } = JSON.parse(process.argv[2] ?? "{}");
kernels.setThreads(threads);
const loaded = loadEngine(
  { ...engineDefaults, model, format: options.format, maxModelLen: 2304, ...options },
  () => {},
);
const { engine } = loaded;
const vocabSize = loaded.model.config.vocabSize;

let drawn = 1;
/** A prompt of tokens that nothing else used, so that nothing is found in a cache. */
function prompt(length) {
  return Array.from({ length }, () => {
    drawn = (drawn * 48271) % 2147483647;
    return drawn % (vocabSize - 10);
  });
}

function add(id, length, maxTokens) {
  engine.add({
    id,
    promptTokenIds: prompt(length),
    params: {
      ...{ maxTokens, minTokens: 0, temperature: 0, topK: 0, topP: 1, seed: undefined },
      ...{ ignoreEos: true, stopTokenIds: [] },
    },
  });
}

/** Runs until every one of `count` sequences has its first token; milliseconds. */
function fill(count) {
  const start = performance.now();
  for (let seen = 0; seen < count; ) {
    seen += engine.step().filter((event) => event.index === 1).length;
  }
  return performance.now() - start;
}

/** Milliseconds of this many decode steps. */
function steps(count) {
  const start = performance.now();
  for (let i = 0; i < count; i++) engine.step();
  return performance.now() - start;
}

/** Ends what runs. */
function drop(ids) {
  for (const id of ids) engine.abort(id);
}

const report = (cell, value) => process.stdout.write(`${JSON.stringify({ cell, value })}\n`);
const perSecond = (tokens, ms) => (tokens / ms) * 1e3;

const visits = {
  single() {
    add("decode", 1, lengths.decodeTokens + 2);
    fill(1);
    report("decode 1", perSecond(lengths.decodeTokens, steps(lengths.decodeTokens)));
    drop(["decode"]);
    add("prefill", lengths.promptTokens, 1);
    const ms = fill(1);
    report("prefill 512", perSecond(lengths.promptTokens, ms));
    report("TTFT 512", ms);
  },
  batch() {
    for (const batch of [16, 64]) {
      const ids = Array.from({ length: batch }, (_, i) => `${batch}-${i}`);
      for (const id of ids) add(id, lengths.batchPrompt, 200);
      fill(batch);
      report(`decode ${batch}`, perSecond(batch * lengths.batchSteps, steps(lengths.batchSteps)));
      drop(ids);
    }
  },
  long() {
    add("long", lengths.contextPrompt, lengths.contextSteps + 2);
    report("prefill 2048", perSecond(lengths.contextPrompt, fill(1)));
    report("decode 1 at 2048", perSecond(lengths.contextSteps, steps(lengths.contextSteps)));
  },
};

// Everything once, small: pages touched, threads awake.
add("warm-up", 64, 4);
while (engine.hasWork) engine.step();
visits[group]();
