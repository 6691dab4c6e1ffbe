// What is measured: cells, the groups that one process measures together, and the work in each.

/** A visit is one fresh process that measures one group once; short, so that contenders alternate. */
export const groups = ["single", "batch", "long"];

/** Tokens of the runs behind the cells. */
export const lengths = {
  /** One sequence: this many tokens after a prompt of one. */
  decodeTokens: 64,
  promptTokens: 512,
  /** In batches: tokens of each prompt, and decode steps timed. */
  batchPrompt: 16,
  batchSteps: 16,
  /** Long context: prompt, and decode steps timed behind it. */
  contextPrompt: 2048,
  contextSteps: 32,
};

const decode = (batch, context, steps) => ({
  kind: "decode",
  batch,
  context,
  steps,
  unit: "tok/s",
});
const prefill = (tokens) => ({ kind: "prefill", batch: 1, tokens, unit: "tok/s" });
const { decodeTokens, promptTokens, batchPrompt, batchSteps, contextPrompt, contextSteps } =
  lengths;

export const cells = [
  { name: "decode 1", group: "single", ...decode(1, decodeTokens / 2, decodeTokens) },
  { name: "decode 16", group: "batch", ...decode(16, batchPrompt + batchSteps / 2, batchSteps) },
  { name: "decode 64", group: "batch", ...decode(64, batchPrompt + batchSteps / 2, batchSteps) },
  {
    name: "decode 1 at 2048",
    group: "long",
    ...decode(1, contextPrompt + contextSteps / 2, contextSteps),
  },
  { name: "prefill 512", group: "single", ...prefill(promptTokens) },
  { name: "prefill 2048", group: "long", ...prefill(contextPrompt) },
  { name: "TTFT 512", group: "single", kind: "time", unit: "ms" },
  { name: "resident", group: "single", kind: "memory", unit: "GB" },
];

/** Bytes of weights that a step reads. @param bits a weight as stored, scales included */
export const weightBytes = (model, bits) =>
  (model.linear * bits.linear + model.head * bits.head + model.norm * (bits.norm ?? 16)) / 8;

/** Bytes that one decode step reads: the weights once, and the keys and values of every sequence. */
export const decodeBytes = (cell, model, bits) =>
  weightBytes(model, bits) + cell.batch * cell.context * model.kvBytesPerToken;

/**
 * The least time the work of one cell could take for each token, by the two ceilings of the run: bytes
 * that must be read (weights once a step, and the context's keys and values in 16 bits) over the read
 * bandwidth, arithmetic over the peak rate.
 * @param {{linear: number, head: number, norm: number, kvBytesPerToken: number}} model parameters by group
 * @param {{linear: number, head: number, norm?: number}} bits a weight as stored, scales included
 * @returns tok/s no faster than which the ceilings allow; undefined for cells that are no rate
 */
export function ceilingOf(cell, model, bits, { bandwidth, peakFlops }) {
  if (cell.kind !== "decode" && cell.kind !== "prefill") return undefined;
  if (cell.kind === "prefill") {
    const flops = 2 * (model.linear * cell.tokens + model.head);
    return cell.tokens / Math.max(weightBytes(model, bits) / bandwidth, flops / peakFlops);
  }
  const bytes = decodeBytes(cell, model, bits);
  const flops = 2 * (model.linear + model.head) * cell.batch;
  return cell.batch / Math.max(bytes / bandwidth, flops / peakFlops);
}
