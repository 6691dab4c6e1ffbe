/** GSM8K's JSONL files: one question and its worked answer a line, in file order. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { QuantlabError } from "../../base/errors.ts";

/** One solved problem; the answer ends with a line "#### number". */
export interface Problem {
  readonly question: string;
  readonly answer: string;
}

/** A data set as it was found. */
export interface ProblemSet {
  /** Evaluated questions; a position is the `doc_id`. */
  readonly test: readonly Problem[];
  /** Where solved examples are drawn from. */
  readonly train: readonly Problem[];
  readonly testPath: string;
  readonly trainPath: string | undefined;
  /** SHA-256 of the test file's bytes. */
  readonly testSha256: string;
}

const problemSchema = z.object({ question: z.string(), answer: z.string() });
const schemaHint =
  'each line is a JSON object {"question": ..., "answer": ...}, as in the openai/gsm8k data set';

/**
 * The test file, and the solved examples of `train.jsonl` beside it.
 * @param trainPath undefined takes train.jsonl of the same folder, which must be there if shots are wanted
 * @throws file-not-found, dataset-invalid
 */
export async function readProblems(
  testPath: string,
  numFewshot: number,
  trainPath?: string,
): Promise<ProblemSet> {
  const beside = join(dirname(testPath), "train.jsonl");
  const source = trainPath ?? (existsSync(beside) ? beside : undefined);
  const { problems: test, sha256 } = await readFileOf(testPath);
  if (numFewshot === 0) {
    return { test, train: [], testPath, trainPath: undefined, testSha256: sha256 };
  }
  if (source === undefined) {
    throw new QuantlabError(
      "file-not-found",
      `${numFewshot} solved examples are wanted, but there is no train.jsonl beside ${testPath}`,
      { hint: "give --train-path, or --num-fewshot 0" },
    );
  }
  const { problems: train } = await readFileOf(source);
  if (train.length < numFewshot) {
    throw new QuantlabError(
      "dataset-invalid",
      `${source} holds ${train.length} problems, but ${numFewshot} examples are to be drawn from it`,
      { hint: "lower --num-fewshot" },
    );
  }
  return { test, train, testPath, trainPath: source, testSha256: sha256 };
}

async function readFileOf(path: string): Promise<{ problems: Problem[]; sha256: string }> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new QuantlabError("file-not-found", `the data set ${path} cannot be read`, {
      hint: "give --dataset-path with GSM8K's test.jsonl",
      cause,
    });
  });
  const problems = parseProblems(bytes.toString("utf8"), path);
  return { problems, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Lines end with "\n" alone: questions may hold U+2028, on which line readers break too. */
export function parseProblems(text: string, path: string): Problem[] {
  const problems: Problem[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const where = `${basename(path)}:${index + 1}`;
    problems.push(parseProblem(line, where));
  }
  if (problems.length === 0) {
    throw new QuantlabError("dataset-invalid", `${path} holds no problem`, { hint: schemaHint });
  }
  return problems;
}

function parseProblem(line: string, where: string): Problem {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new QuantlabError("dataset-invalid", `${where} is not JSON`, { hint: schemaHint, cause });
  }
  const parsed = problemSchema.safeParse(value);
  if (!parsed.success) {
    throw new QuantlabError("dataset-invalid", `${where}: ${z.prettifyError(parsed.error)}`, {
      hint: schemaHint,
    });
  }
  const { question, answer } = parsed.data;
  if (!/#### \S/.test(answer)) {
    throw new QuantlabError("dataset-invalid", `${where}: the answer has no line "#### number"`, {
      hint: "without it nothing can be scored",
    });
  }
  return { question, answer };
}

/** `--limit L` as the harness reads it: the first L questions, or a share below 1 rounded up. */
export function limitedCount(total: number, limit: number | undefined): number {
  if (limit === undefined) return total;
  return Math.min(total, limit < 1 ? Math.ceil(total * limit) : Math.floor(limit));
}
