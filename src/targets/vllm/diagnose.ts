/** From a dead server's log to one message: what happened, what to change, whether to try again. */
import { type FailureRule, failureRules, type RetryPolicy } from "./failure-rules.ts";
import { withoutPrefix } from "./log-facts.ts";

export interface Diagnosis {
  /** Id of the rule; "unknown" when none matched. */
  readonly id: string;
  readonly message: string;
  readonly advice: string;
  readonly retry: RetryPolicy;
  /** The line of the log that says so, without its prefix. */
  readonly evidence: string | undefined;
}

/** How a process ended: one of the two is set. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** Lines that only repeat that something failed before. */
const wrappers =
  /Engine core initialization failed|WorkerProc initialization failed|See root cause above|Failed core proc|Engine process failed to start|EngineDeadError|EngineCore encountered an issue/;
const errorLine = /\bERROR\b|\b\w*(?:Error|Exception)\b: |Traceback|^FATAL|error:/;
/** What an unknown failure shows of its log, from its first error on. */
const unknownLines = 30;
const weightsLoaded = /Model loading took|Loading model weights took|Loading weights took/;
const serving = /Application startup complete/;

/**
 * Matches rules in their order against the log from its first error, and, where that fails, against
 * the whole: the real cause stands far above the wrappers that end a log.
 */
export function diagnose(log: string, end: ProcessEnd): Diagnosis {
  const raw = log.split("\n");
  const lines = raw.map(withoutPrefix);
  const firstError = raw.findIndex(
    (line) => errorLine.test(line) && !wrappers.test(line) && !/\bWARNING\b/.test(line),
  );
  const fromError = lines.slice(Math.max(0, firstError)).join("\n");
  for (const text of firstError < 0 ? [lines.join("\n")] : [fromError, lines.join("\n")]) {
    for (const rule of failureRules) {
      const match = rule.pattern.exec(text);
      if (match !== null) return fromRule(rule, match, text, lines);
    }
  }
  return unknown(lines, firstError, end);
}

function fromRule(
  rule: FailureRule,
  match: RegExpExecArray,
  text: string,
  lines: readonly string[],
): Diagnosis {
  const fill = (template: string) =>
    template
      .replace("{phase}", phaseOf(lines))
      .replace(/\{(\d)\}/g, (_, index) => capability(match[Number(index)]))
      .replace(/\$(\d)/g, (_, index) => groupText(match, Number(index)))
      .trim();
  const lineStart = text.lastIndexOf("\n", match.index) + 1;
  const lineEnd = text.indexOf("\n", match.index);
  return {
    id: rule.id,
    message: fill(rule.message),
    advice: fill(rule.advice),
    retry: rule.retry,
    evidence: text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd).trim(),
  };
}

/** Alternatives of a pattern number their groups on: the first that took part from `index` on. */
function groupText(match: RegExpExecArray, index: number): string {
  const own = match[index] ?? match.slice(1).find((group) => group !== undefined);
  return (own ?? "").trim() || "what the log names";
}

/** vLLM prints 8.9 as 89. */
function capability(printed: string | undefined): string {
  const text = printed ?? "?";
  return /^\d{2,3}$/.test(text) ? `${text.slice(0, -1)}.${text.slice(-1)}` : text;
}

function phaseOf(lines: readonly string[]): string {
  if (lines.some((line) => serving.test(line))) return "serving";
  if (lines.some((line) => weightsLoaded.test(line))) return "profiling or capturing graphs";
  return "loading the weights";
}

function unknown(lines: readonly string[], firstError: number, end: ProcessEnd): Diagnosis {
  // A shell or container reports the signal 9 of its child as 137.
  if (end.signal === "SIGKILL" || end.code === 137) {
    return {
      id: "killed",
      message: "the server was killed from outside (SIGKILL), most often for want of host memory",
      advice: "in a job ask for more memory (mem in slurm.yaml); on a machine see `dmesg`",
      retry: "after-change",
      evidence: lines.findLast((line) => line.trim() !== ""),
    };
  }
  const shown =
    firstError < 0
      ? lines.slice(-unknownLines)
      : lines.slice(firstError, firstError + unknownLines);
  return {
    id: "unknown",
    message: `no known failure fits; ${firstError < 0 ? "the log's end" : "the first error and what follows"}:\n${shown.join("\n").trim()}`,
    advice: "read the whole log in the run's folder; report it, so that it becomes advice",
    retry: "no",
    evidence: firstError < 0 ? undefined : lines[firstError]?.trim(),
  };
}
