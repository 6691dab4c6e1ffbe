// Contenders that are Python libraries: one small program each, in a virtual environment of its own.
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { lengths } from "./cells.mjs";
import { parseReports } from "./ours.mjs";

const scripts = join(import.meta.dirname, "python");

/**
 * Bits a weight: BF16; INT8 with a scale a row; INT4 with a scale and a zero point a group, of 128 (64 in
 * the 135M shape; ONNX Runtime 32). Heads as the exporters leave them: with 4-bit blocks they hold the
 * head and the embedding in 8 bits.
 */
const libraries = [
  {
    peer: "OpenVINO GenAI",
    option: "openvino",
    script: "openvino_visit.py",
    formats: [
      { family: "16 bit", name: "bf16", label: "FP16 file, run in BF16", linear: 16, head: 16 },
      { family: "8 bit", name: "int8", label: "INT8 weights, head INT8", linear: 8, head: 8 },
      { family: "4 bit", name: "int4", label: "INT4, head INT8", linear: 4.16, head: 8 },
    ],
  },
  {
    peer: "vLLM CPU",
    option: "vllm",
    script: "vllm_visit.py",
    // It starts for most of a minute, so one process measures everything, at the place of "single".
    together: true,
    formats: [
      { family: "16 bit", name: "bf16", label: "BF16", linear: 16, head: 16 },
      { family: "4 bit", name: "awq", label: "AWQ, head BF16", linear: 4.16, head: 16 },
    ],
  },
  {
    peer: "ONNX Runtime GenAI",
    option: "ort",
    script: "ort_visit.py",
    formats: [
      {
        family: "16 bit",
        name: "fp32",
        label: "FP32 (it has no BF16 on CPU)",
        linear: 32,
        head: 32,
      },
      {
        family: "4 bit",
        name: "int4",
        label: "INT4, head as its builder",
        linear: 4.5,
        head: 8,
      },
    ],
  },
];

/**
 * @param {Record<string, string | undefined>} environments by option, folders of virtual environments
 * @param {string} models folder of prepared models, SHAPE-OPTION-FORMAT
 */
export function pythonContenders({ environments, models, model, threads }) {
  return libraries.flatMap(({ peer, option, script, formats, together = false }) => {
    const environment = environments[option];
    if (environment === undefined) return [];
    const python = join(environment, "bin/python");
    return formats.map(({ family, name, label, linear, head }) => {
      const folder = join(models, `${model.shape}-${option}-${name}`);
      const missing = [python, folder].find((needed) => !existsSync(needed));
      const asked = (group) => ({
        ...{ model: folder, format: name, threads, lengths },
        group: together ? "all" : group,
      });
      const groups = together ? ["single"] : ["single", "batch", "long"];
      return {
        ...{ peer, family, format: label, setting: "plain", groups },
        bits: { linear, head },
        ...(missing === undefined
          ? {}
          : { reason: `${basename(missing)} is missing: see README.md` }),
        visit: (group) => ({
          program: python,
          argv: [join(scripts, script), JSON.stringify(asked(group))],
          env: { OMP_NUM_THREADS: String(threads), HF_HUB_OFFLINE: "1" },
          parse: parseReports,
        }),
      };
    });
  });
}
