// Contender: quantlab's embedded engine in each format, at its default step and at a larger one.
import { join } from "node:path";
import { existsSync } from "node:fs";

const folder = import.meta.dirname;

/** Bits a weight as stored, scales included: BF16; codes and a scale per row; codes, scale, zero a group. */
const formats = [
  { family: "16 bit", format: "bf16", linear: () => 16 },
  { family: "8 bit", format: "fp8", linear: (model) => 8 + 32 / model.hiddenSize },
  { family: "4 bit", format: "awq", linear: (model) => 4 + 20 / model.awqGroup },
];

/** @param heads formats of the head to try beside BF16, where the engine has that option */
export function ourContenders({ model, threads, heads = [] }) {
  const script = join(folder, "ours-visit.mjs");
  return formats.flatMap(({ family, format, linear }) => {
    const visit = (options) => (group) => ({
      program: process.execPath,
      argv: [script, JSON.stringify({ model: model.spec, group, threads, options })],
      parse: parseReports,
    });
    const row = (label, setting, groups, headBits, options) => ({
      ...{ peer: "quantlab", family, format: label, setting, groups },
      bits: { linear: linear(model), head: headBits },
      visit: visit({ format, ...options }),
    });
    const own = `${format}, head BF16`;
    const quantizedHeads = (format === "bf16" ? [] : heads).map((head) =>
      row(
        `${format}, head ${head}`,
        "plain",
        ["single", "batch", "long"],
        8 + 32 / model.hiddenSize,
        {
          lmHead: head,
        },
      ),
    );
    return [
      row(own, "plain", ["single", "batch", "long"], 16, {}),
      row(own, "steps of 2048", ["single", "long"], 16, { maxNumBatchedTokens: 2048 }),
      ...quantizedHeads,
    ];
  });
}

/** Lines of {"cell", "value"} among whatever else a child prints. */
export function parseReports(stdout) {
  return stdout.split("\n").flatMap((line) => {
    if (!line.startsWith('{"cell"')) return [];
    const { cell, value } = JSON.parse(line);
    return [{ cell, value }];
  });
}

/** Why the engine cannot run here, or undefined. */
export function ourObstacle() {
  const dist = join(folder, "../../dist/index.js");
  return existsSync(dist) ? undefined : "dist/ is not built: npm run build";
}
