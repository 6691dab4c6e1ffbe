// Contender: quantlab's embedded engine in each format, with its head as it comes and quantized.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { bitsOf } from "./model.mjs";

const folder = import.meta.dirname;

/** The heads beside BF16 that are worth a row: what the peers' files of that family hold. */
const formats = [
  { family: "16 bit", format: "bf16", heads: [] },
  { family: "8 bit", format: "fp8", heads: ["fp8"] },
  { family: "4 bit", format: "awq", heads: ["awq", "fp8"] },
];

const allGroups = ["single", "batch", "long"];

/** @param heads formats of the head to try beside BF16 (`--lm-head`) */
export function ourContenders({ model, threads, heads = [] }) {
  const script = join(folder, "ours-visit.mjs");
  return formats.flatMap(({ family, format, heads: fitting }) => {
    const row = ({
      head,
      setting = "plain",
      groups = allGroups,
      options = {},
      seldom = false,
    }) => ({
      ...{ peer: "quantlab", family, setting, groups, seldom },
      format: `${format}, head ${head ?? "BF16"}`,
      bits: bitsOf(model, format, head),
      visit: (group) => ({
        program: process.execPath,
        argv: [
          script,
          JSON.stringify({
            ...{ model: model.spec, group, threads },
            options: { format, ...(head === undefined ? {} : { lmHead: head }), ...options },
          }),
        ],
        parse: parseReports,
      }),
    });
    const large = { setting: "steps of 2048", options: { maxNumBatchedTokens: 2048 } };
    return [
      row({}),
      row({ ...large, groups: ["single"], seldom: true }),
      row({ ...large, groups: ["long"] }),
      // The first is the nearest to the peers' own; the bytes of a further one matter at batch 1.
      ...fitting
        .filter((head) => heads.includes(head))
        .flatMap((head, i) => [
          row({ head, groups: ["single"] }),
          row({ head, groups: ["batch", "long"], seldom: i > 0 }),
        ]),
    ];
  });
}

/** Lines of {"cell", "value"} or {"cell", "reason"} among whatever else a child prints. */
export function parseReports(stdout) {
  return stdout.split("\n").flatMap((line) => {
    if (!line.startsWith('{"cell"')) return [];
    return [JSON.parse(line)];
  });
}

/** Why the engine cannot run here, or undefined. */
export function ourObstacle() {
  const dist = join(folder, "../../dist/index.js");
  return existsSync(dist) ? undefined : "dist/ is not built: npm run build";
}
