/** `quantlab eval`: how well a model in a format answers, each measurement a subcommand. */
import { Command } from "commander";
import { evalDivergenceCommand } from "./eval-divergence.ts";
import { evalGsm8kCommand } from "./eval-gsm8k.ts";

export function evalCommand(): Command {
  return new Command("eval")
    .description("measure what a format costs in accuracy")
    .addCommand(evalGsm8kCommand())
    .addCommand(evalDivergenceCommand());
}
