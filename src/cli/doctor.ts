/** `quantlab doctor`: the preflight alone. */
import { Command } from "commander";
import { chooseModel } from "../experiments/choose-model.ts";
import { planRun } from "../experiments/plan.ts";
import type { Check } from "../experiments/check.ts";
import { preflight, refuseOnFailure } from "../experiments/preflight.ts";
import { addLabFlags, localDraftOf, type LabOptions } from "./lab-options.ts";
import { measureMachine } from "./machine.ts";

const examples = `
Examples:
  $ quantlab doctor
  $ quantlab doctor --model dummy:llama-3.1-8b --formats awq
  $ quantlab doctor --target endpoint --base-url http://127.0.0.1:8000`;

export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("E0 alone: what of the lab would run here, what would not, and why.")
    .argument("[lab.yaml]", "a whole experiment as a file")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", examples);
  return addLabFlags(command).action(
    async (file: string | undefined, options: LabOptions & { json?: boolean }) => {
      const draft = localDraftOf(file, options);
      process.stderr.write("measuring this machine\n");
      const machine = measureMachine(draft.threads);
      const config = chooseModel(draft, machine);
      const plan = planRun(config, machine);
      const checks = await preflight({ config, plan, machine, out: options.out });
      process.stdout.write(
        options.json ? `${JSON.stringify({ machine, checks })}\n` : checksText(checks),
      );
      refuseOnFailure(checks);
    },
  );
}

/** One line a check, with what to do below those that need it. */
export function checksText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .map(({ name, status, detail, hint }) => {
      const line = `${status.padEnd(4)}  ${name.padEnd(width)}  ${detail}\n`;
      return hint === undefined ? line : `${line}${" ".repeat(8 + width)}hint: ${hint}\n`;
    })
    .join("");
}
