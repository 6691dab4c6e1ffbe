/** `quantlab bench`: the measurements of a server, each a subcommand. */
import { Command } from "commander";
import { benchClientErrorCommand } from "./bench-client-error.ts";
import { benchLatencyCommand } from "./bench-latency.ts";
import { benchServingCommand } from "./bench-serving.ts";
import { benchThroughputCommand } from "./bench-throughput.ts";

export function benchCommand(): Command {
  return new Command("bench")
    .description("measure a running server")
    .addCommand(benchThroughputCommand())
    .addCommand(benchLatencyCommand())
    .addCommand(benchServingCommand())
    .addCommand(benchClientErrorCommand());
}
