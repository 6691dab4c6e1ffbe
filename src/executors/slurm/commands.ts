/** Slurm's own programs: called without a shell, with a clean environment, their text parsed. */
import { execFile } from "node:child_process";
import { QuantlabError } from "../../base/errors.ts";

export interface SlurmAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of sbatch, squeue, scancel, scontrol, sacct, sinfo. Tests answer in its place. */
export type SlurmCommand = (
  program: string,
  argv: readonly string[],
  input?: string,
) => Promise<SlurmAnswer>;

/** A controller that is away costs a client up to 18 s. */
const timeoutMs = 60_000;

/** Users set these to shape what they see; and a job's own would be taken for ours. */
const unwanted = /^(SQUEUE_|SACCT_|SINFO_|SBATCH_|SLURM_(JOB|ARRAY|STEP|TASK|NODE|PROC|LOCAL))/;

export const runSlurm: SlurmCommand = (program, argv, input) =>
  new Promise((resolve, reject) => {
    const kept = Object.entries(process.env).filter(([name]) => !unwanted.test(name));
    const env = { ...Object.fromEntries(kept), SLURM_TIME_FORMAT: "%s", LC_ALL: "C" };
    const child = execFile(
      program,
      [...argv],
      { env, timeout: timeoutMs },
      (error, stdout, stderr) => {
        if (error !== null && error.code === "ENOENT") {
          reject(
            new QuantlabError("target-failed", `there is no program "${program}" here`, {
              hint: "--on slurm runs on a machine with Slurm's client programs: a login node",
            }),
          );
          return;
        }
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        resolve({ code, stdout, stderr });
      },
    );
    if (input !== undefined) child.stdin?.end(input);
  });

/** Whether the controller could not be asked: nothing is known, and the last state stands. */
export function isUnreachable({ code, stderr }: SlurmAnswer): boolean {
  return (
    code !== 0 &&
    /Unable to contact slurm controller|Protocol authentication error|Socket timed out|munge|Zero Bytes were transmitted/i.test(
      stderr,
    )
  );
}

/** "22.05.8" of `sbatch --version`. @throws target-failed where there is no Slurm */
export async function slurmVersion(run: SlurmCommand): Promise<string> {
  const { stdout } = await run("sbatch", ["--version"]);
  return /^slurm(?:-wlm)? (\S+)/.exec(stdout)?.[1] ?? "unknown";
}
