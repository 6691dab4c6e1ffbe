/** Slurm's states and reasons in the lab's words. A job's word is never taken for a result. */

export type JobPhase = "queued" | "running" | "ending" | "ended" | "retry" | "unknown";

const phases: Readonly<Record<string, JobPhase>> = {
  PENDING: "queued",
  CONFIGURING: "queued",
  REQUEUED: "queued",
  REQUEUE_FED: "queued",
  REQUEUE_HOLD: "queued",
  SPECIAL_EXIT: "queued",
  RESV_DEL_HOLD: "queued",
  RUNNING: "running",
  SUSPENDED: "running",
  STOPPED: "running",
  SIGNALING: "running",
  RESIZING: "running",
  COMPLETING: "ending",
  STAGE_OUT: "ending",
  COMPLETED: "ended",
  FAILED: "ended",
  BOOT_FAIL: "ended",
  DEADLINE: "ended",
  OUT_OF_MEMORY: "ended",
  TIMEOUT: "ended",
  CANCELLED: "ended",
  // With --requeue Slurm puts these back into the queue itself.
  NODE_FAIL: "retry",
  PREEMPTED: "retry",
  REVOKED: "retry",
};

/** The first word decides: "CANCELLED by 1000", "RUNNING+". An unknown word is shown as it is. */
export function phaseOf(state: string): JobPhase {
  const word = /^[A-Z_]+/.exec(state.trim().toUpperCase())?.[0] ?? "";
  return phases[word] ?? "unknown";
}

/** Reasons for which a pending job will never start unless somebody changes something. */
const hopeless: readonly { pattern: RegExp; advice: string }[] = [
  {
    pattern: /PartitionTimeLimit|MaxWallDurationPerJobLimit/,
    advice: "lower `time` in slurm.yaml",
  },
  { pattern: /PartitionNodeLimit/, advice: "lower `nodes` in slurm.yaml" },
  {
    pattern: /PartitionConfig/,
    advice: "the partition does not take such a job: check `partition`",
  },
  {
    pattern: /BadConstraints/,
    advice: "no node has what is asked for: check `constraint` and `gres`",
  },
  { pattern: /DependencyNeverSatisfied/, advice: "cancel it and submit again" },
  { pattern: /JobHeldUser/, advice: "you hold it: `scontrol release`" },
  { pattern: /JobHeldAdmin/, advice: "an administrator holds it: ask them" },
  {
    pattern: /InvalidAccount/,
    advice: "check `account` in slurm.yaml (`sacctmgr show assoc user=$USER`)",
  },
  { pattern: /InvalidQOS/, advice: "check `qos` in slurm.yaml" },
];

/** What to do about a pending job that will never start; undefined for one that merely waits. */
export function hopelessReason(reason: string): string | undefined {
  return hopeless.find(({ pattern }) => pattern.test(reason))?.advice;
}

/** What an end without a result means, and what to do. */
export function endAdvice(state: string): string {
  if (/^TIMEOUT/.test(state)) {
    return "it ran over its time limit; what was finished is kept. Resume with a longer `time` in slurm.yaml, or tasksPer: experiment";
  }
  if (/^OUT_OF_MEMORY/.test(state)) return "it wanted more host memory: raise `mem` in slurm.yaml";
  if (/^CANCELLED/.test(state)) return "it was cancelled; resume to run what is missing";
  if (/^(NODE_FAIL|PREEMPTED|REVOKED|BOOT_FAIL)/.test(state)) {
    return "its node was lost; resume to run what is missing";
  }
  return "see its log; resume to try again";
}
