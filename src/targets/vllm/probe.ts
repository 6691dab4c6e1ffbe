/** Asks a vLLM installation for its version, once a process: Python takes seconds to import it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { QuantlabError } from "../../base/errors.ts";
import { parseVersionOutput, type VllmVersion } from "./version.ts";

const run = promisify(execFile);
/** A cold import from a network file system takes this long. */
const timeoutMs = 180_000;

const known = new Map<string, Promise<VllmVersion | undefined>>();

/**
 * undefined when it answers and its answer is no version.
 * @throws target-failed when there is no such program, or it does not run
 */
export function probeVersion(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<VllmVersion | undefined> {
  const key = JSON.stringify(command);
  const found = known.get(key) ?? ask(command, env);
  known.set(key, found);
  return found;
}

async function ask(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<VllmVersion | undefined> {
  const [program = "vllm", ...words] = command;
  try {
    const { stdout, stderr } = await run(program, [...words, "--version"], {
      timeout: timeoutMs,
      env: { ...env },
    });
    return parseVersionOutput(stdout) ?? parseVersionOutput(stderr);
  } catch (cause) {
    known.delete(JSON.stringify(command));
    throw notRunnable(command, cause);
  }
}

function notRunnable(command: readonly string[], cause: unknown): QuantlabError {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
  const name = command.join(" ");
  return isMissing
    ? new QuantlabError("target-failed", `there is no program "${command[0]}"`, {
        hint: "install vLLM (`pip install vllm` in an environment of its own), then name it: --vllm-command /path/to/vllm, QUANTLAB_VLLM, or vllm.command in lab.yaml",
        cause,
      })
    : new QuantlabError("target-failed", `\`${name} --version\` does not run`, {
        hint: said === "" ? "try it in this shell" : `it says: ${said.split("\n").at(-1)}`,
        cause,
      });
}
