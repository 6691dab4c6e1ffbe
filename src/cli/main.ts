/** Entry of the binary: finds the command that argv names, runs it, and turns errors into exit codes. */
import { Command, CommanderError } from "commander";
import { describeError, exitCodeOf, QuantlabError } from "../base/errors.ts";
import { type CommandEntry, commands } from "./commands.ts";
import { packageVersion } from "./version.ts";

const intro = "Which number format to serve a language model in: BF16, FP8 or AWQ-INT4, measured.";

const outro = `
Examples:
  $ quantlab run --profile quick                  the whole lab, small, on this machine
  $ quantlab plan --profile standard              what that would run, and for how long
  $ quantlab serve --model dummy:llama-3.2-1b --format awq
  $ quantlab COMMAND --help                       flags and examples of one command

Exit codes: 0 done; 1 a measured threshold failed; 2 wrong usage or configuration;
3 the preflight refused; 4 a target failed; 5 interrupted, resumable; 70 a bug of ours.`;

/**
 * Runs one command line. Results go to stdout, everything else to stderr.
 * @param argv without node and script
 * @returns the process exit code; never throws for an operational error
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const program = await buildProgram(argv);
    await program.parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** The program with every command as a stub for help, but the one that argv names built in full. */
async function buildProgram(argv: readonly string[]): Promise<Command> {
  const named = argv.find((word) => !word.startsWith("-"));
  const wanted = named === "help" ? argv.filter((word) => !word.startsWith("-"))[1] : named;
  if (wanted !== undefined && wanted !== "help") requireKnown(wanted);
  const program = new Command("quantlab")
    .description(intro)
    .version(packageVersion(), "-V, --version")
    .addHelpText("after", outro)
    .configureHelp({ showGlobalOptions: false })
    .action(() => program.outputHelp());
  for (const entry of commands) {
    program.addCommand(entry.name === wanted ? await entry.load() : stub(entry));
  }
  throwInsteadOfExit(program);
  return program;
}

function stub(entry: CommandEntry): Command {
  return new Command(entry.name).description(entry.summary);
}

function requireKnown(name: string): void {
  if (commands.some((entry) => entry.name === name)) return;
  const near = commands.map((entry) => entry.name).filter((known) => isNear(known, name));
  const known = commands.map((entry) => entry.name).join(", ");
  throw new QuantlabError("usage", `there is no command "${name}"`, {
    hint: near.length > 0 ? `did you mean "${near.join('" or "')}"?` : `commands: ${known}`,
  });
}

/** Whether one word is the start of the other, or at most two edits away (Levenshtein). */
function isNear(known: string, typed: string): boolean {
  if (known.startsWith(typed) || typed.startsWith(known)) return true;
  let row = Array.from({ length: typed.length + 1 }, (_, i) => i);
  for (let i = 1; i <= known.length; i++) {
    const next = [i];
    for (let j = 1; j <= typed.length; j++) {
      const swap = (row[j - 1] ?? 0) + (known[i - 1] === typed[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return (row[typed.length] ?? 0) <= 2;
}

/** Commander calls process.exit by default, on each command separately. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) throwInsteadOfExit(child);
}

function report(error: unknown): number {
  // Commander has already printed its message; help and version are not errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const prefix = error instanceof QuantlabError ? "quantlab: " : "quantlab: a bug of ours: ";
  process.stderr.write(`${prefix}${describeError(error)}\n`);
  return exitCodeOf(error);
}
