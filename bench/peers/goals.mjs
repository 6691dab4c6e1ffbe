// What was aimed at beside llama.cpp, the most that is possible by the ceilings, and what was measured.
import { ceilingOf, cells, decodeBytes } from "./cells.mjs";
import { llamaFiles } from "./llama.mjs";
import { bitsOf } from "./model.mjs";
import { median, ratioOf } from "./ratios.mjs";

/** The shape that the goals are about. */
const shape = "llama-3.2-1b";

/** Ours as [format, head], theirs by its label, the ratio aimed at; of batches and prompts with both heads. */
const pairings = [
  { ours: ["bf16"], theirs: "BF16" },
  { ours: ["fp8"], theirs: "Q8_0, head Q8_0" },
  { ours: ["fp8", "fp8"], theirs: "Q8_0, head Q8_0" },
  { ours: ["awq"], theirs: "Q4_0, head Q4_0" },
  { ours: ["awq", "fp8"], theirs: "Q4_0, head Q4_0" },
  { ours: ["awq", "awq"], theirs: "Q4_0, head Q4_0" },
];
const [bf16, fp8, fp8Head, awq, awqHead8, awqHead4] = pairings;
const all = [bf16, fp8, fp8Head, awq, awqHead4];
const aimed = (cell, ratios) =>
  all.map((pairing) => ({ cell, ...pairing, goal: ratios[pairing.ours[0]] }));

export const goals = [
  { cell: "decode 1", ...bf16, goal: 1.35 },
  { cell: "decode 1", ...fp8Head, goal: 1.1 },
  { cell: "decode 1", ...awqHead8, goal: 1.2 },
  { cell: "decode 1", ...awqHead4, goal: 1.2 },
  ...aimed("decode 1 at 2048", { bf16: 2, fp8: 2, awq: 2 }),
  ...aimed("decode 16", { bf16: 3, fp8: 2, awq: 2 }),
  ...aimed("decode 64", { bf16: 6, fp8: 3, awq: 3 }),
  ...aimed("prefill 512", { bf16: 10, fp8: 3.5, awq: 3.5 }),
  { cell: "prefill 512", ...bf16, setting: "OpenBLAS", goal: 7 },
];

export const labelOf = ([format, head = "BF16"]) => `${format}, head ${head}`;
const cellNamed = (name) => cells.find((cell) => cell.name === name);
const table = (head, lines) =>
  [`| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`]
    .concat(lines.map((line) => `| ${line.join(" | ")} |`))
    .join("\n");

/**
 * Bytes that batch 1 has to read on both sides, and the share of the bandwidth from which on the peer
 * leaves too little for the goal: a ratio cannot pass (their bytes over ours) over (their share).
 * @returns undefined for a shape without goals
 */
export function renderBytes(model) {
  if (model.shape !== shape) return undefined;
  const gigabytes = (bytes) => (bytes / 1e9).toFixed(3);
  const lines = goals.flatMap(({ cell: name, ours, theirs, goal }) => {
    const cell = cellNamed(name);
    if (cell.batch !== 1 || cell.kind !== "decode") return [];
    const mine = decodeBytes(cell, model, bitsOf(model, ...ours));
    const other = decodeBytes(cell, model, llamaFiles.find(({ label }) => label === theirs).bits);
    const share = other / mine / goal;
    const reach = share >= 1 ? "none" : `over ${(100 * share).toFixed(0)} %`;
    return [
      [
        ...[name, labelOf(ours), gigabytes(mine), theirs, gigabytes(other)],
        ...[`${(other / mine).toFixed(2)}x`, `${goal}x`, reach],
      ],
    ];
  });
  const head = ["", "quantlab", "GB a token", "llama.cpp", "GB a token"];
  return table(
    [
      ...head,
      "at equal bandwidth",
      "aimed at",
      "out of reach where llama.cpp's share of the bandwidth is",
    ],
    lines,
  );
}

/**
 * The most that a ratio could have been in this run: our bytes and arithmetic at the ceilings of each
 * round, over what the peer did in it. Products of INT8 run at up to twice the rate of BF16.
 */
function ceilingRatio({ cell, ours }, model, theirs) {
  const bits = bitsOf(model, ...ours);
  const factor = ours[0] === "bf16" ? 1 : 2;
  const ratios = theirs.samples.map(({ value, bandwidth, peakFlops }) => {
    return (
      ceilingOf(cellNamed(cell), model, bits, { bandwidth, peakFlops: factor * peakFlops }) / value
    );
  });
  return median(ratios);
}

/** The best setting of one contender in one cell; of llama.cpp's, OpenBLAS only where it is asked for. */
function bestRow(rows, { cell, peer, format, setting }) {
  return rows
    .filter((row) => row.cell === cell && row.peer === peer && row.format === format)
    .filter((row) => (setting === undefined ? row.setting !== "OpenBLAS" : row.setting === setting))
    .reduce(
      (best, row) => (best === undefined || row.median > best.median ? row : best),
      undefined,
    );
}

/** One line a goal that this run measured; undefined where there is none. @param rows of `summarize` */
export function goalLines(rows, model) {
  if (model.shape !== shape) return [];
  return goals.flatMap((goal) => {
    const { cell, ours: pair, theirs: format, setting } = goal;
    const ours = bestRow(rows, { cell, peer: "quantlab", format: labelOf(pair) });
    const theirs = bestRow(rows, { cell, peer: "llama.cpp", format, setting });
    if (ours === undefined || theirs === undefined) return [];
    const measured = ratioOf(ours, theirs);
    return [{ ...goal, ours, theirs, measured, ceiling: ceilingRatio(goal, model, theirs) }];
  });
}

/** Why a goal was missed, as far as the ceilings tell. */
function verdictOf({ goal, measured, ceiling }) {
  if (measured.ratio >= goal) return "reached";
  if (ceiling < goal)
    return `out of reach: ${(100 * (1 - ceiling / goal)).toFixed(0)} % short at the ceiling`;
  return `missed: ${((100 * measured.ratio) / goal).toFixed(0)} % of it`;
}

export function renderGoals(rows, model) {
  const lines = goalLines(rows, model).map((line) => {
    const { cell, ours, theirs, setting, goal, measured, ceiling } = line;
    const { ratio, low, high, n } = measured;
    return [
      ...[
        cell,
        ours.format,
        setting === undefined ? theirs.format : `${theirs.format}, ${setting}`,
      ],
      ...[`${goal}x`, `${ceiling.toFixed(2)}x`, `${ratio.toFixed(2)}x`],
      ...[n === 1 ? "" : `${low.toFixed(2)} to ${high.toFixed(2)}`, String(n), verdictOf(line)],
    ];
  });
  if (lines.length === 0) return undefined;
  const head = ["", "quantlab", "llama.cpp", "aimed at", "ceiling of the ratio", "measured"];
  return `**aimed at, possible, measured**\n\n${table([...head, "from, to", "n", ""], lines)}`;
}
