/** `quantlab bench`: measurements of a server, and of what it is made of, each a subcommand. */
import { Command } from "commander";
import { benchAttentionCommand } from "./bench-attention.ts";
import { benchClientErrorCommand } from "./bench-client-error.ts";
import { benchKernelsCommand } from "./bench-kernels.ts";
import { benchLatencyCommand } from "./bench-latency.ts";
import { benchServingCommand } from "./bench-serving.ts";
import { benchThroughputCommand } from "./bench-throughput.ts";

export function benchCommand(): Command {
  return new Command("bench")
    .description("measure a running server, its client, or the kernels alone")
    .addCommand(benchThroughputCommand())
    .addCommand(benchLatencyCommand())
    .addCommand(benchServingCommand())
    .addCommand(benchKernelsCommand())
    .addCommand(benchAttentionCommand())
    .addCommand(benchClientErrorCommand());
}
