/** Every command of the binary, each loaded only when it is named. */
import type { Command } from "commander";

export interface CommandEntry {
  readonly name: string;
  /** One line for `quantlab --help`. */
  readonly summary: string;
  /** Imports the command's file and builds it; its libraries are not loaded before. */
  load(): Promise<Command>;
}

/** In the order in which help shows them. */
export const commands: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "the whole lab: preflight, every format, analysis, report",
    load: async () => (await import("./run.ts")).runCommand(),
  },
  {
    name: "plan",
    summary: "the cells that `run` would run, with predicted duration, memory and disk",
    load: async () => (await import("./plan.ts")).planCommand(),
  },
  {
    name: "doctor",
    summary: "the preflight alone: what would run here, what not, and why",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
  },
  {
    name: "serve",
    summary: "the OpenAI-compatible server on the embedded engine, in one format",
    load: async () => (await import("./serve.ts")).serveCommand(),
  },
  {
    name: "chat",
    summary: "talk to a model in one format, or in two with --versus",
    load: async () => (await import("./chat.ts")).chatCommand(),
  },
  {
    name: "quantize",
    summary: "writes an FP8 or AWQ-INT4 checkpoint that we, vLLM and transformers load",
    load: async () => (await import("./quantize.ts")).quantizeCommand(),
  },
  {
    name: "inspect",
    summary: "what a checkpoint holds: tensors, formats, bits per weight, bytes by group",
    load: async () => (await import("./inspect.ts")).inspectCommand(),
  },
  {
    name: "bench",
    summary: "throughput, latency or serving of a running server; the kernels alone",
    load: async () => (await import("./bench.ts")).benchCommand(),
  },
  {
    name: "eval",
    summary: "accuracy as lm-evaluation-harness scores it, and divergence from BF16",
    load: async () => (await import("./eval.ts")).evalCommand(),
  },
  {
    name: "predict",
    summary: "the roofline alone: ms/token, what bounds it, memory, crossover, for any device",
    load: async () => (await import("./predict.ts")).predictCommand(),
  },
  {
    name: "report",
    summary: "the page and the tables again from run folders, or of the published run",
    load: async () => (await import("./report.ts")).reportCommand(),
  },
  {
    name: "compare",
    summary: "what changed from one run to another, with intervals; --fail-if for CI",
    load: async () => (await import("./compare.ts")).compareCommand(),
  },
  {
    name: "slurm-task",
    summary: "one task of a run over Slurm: its jobs call this, on the node",
    load: async () => (await import("./slurm-task.ts")).slurmTaskCommand(),
  },
  {
    name: "import",
    summary: "result files of vllm bench serve, GuideLLM or AIPerf into a run folder",
    load: async () => (await import("./import.ts")).importCommand(),
  },
  {
    name: "mock-server",
    summary: "answers with a given TTFT and ITL: measures the load generator itself",
    load: async () => (await import("./mock-server.ts")).mockServerCommand(),
  },
];
