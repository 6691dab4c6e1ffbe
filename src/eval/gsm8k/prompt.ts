/** Prompts of lm-evaluation-harness's task `gsm8k` (version 3.0): which shots a question gets, and how they are written. */
import type { Problem, ProblemSet } from "./dataset.ts";
import { pythonJson } from "./python-json.ts";
import { PythonRandom } from "./python-random.ts";

/** Strings that end an answer, in the task's order. */
export const stopStrings = ["Question:", "</s>", "<|im_end|>"] as const;

/** The harness's default of its fourth seed. */
export const defaultFewshotSeed = 1234;

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** How the prompt is put: as plain text, or as messages that the server's chat template renders. */
export type PromptStyle = "plain" | "chat" | "chat-multiturn";

export interface PromptOptions {
  readonly numFewshot: number;
  readonly fewshotSeed: number;
  readonly style: PromptStyle;
  /** In front of everything: a system message in a chat, bare text otherwise. */
  readonly systemInstruction?: string | undefined;
}

/** One question as it is sent. */
export interface EvalPrompt {
  readonly docId: number;
  readonly doc: Problem;
  /** Positions in the train file of the solved examples, in the order of the prompt. */
  readonly shots: readonly number[];
  /** What the harness logs and hashes: the text, or the JSON text of the messages. */
  readonly text: string;
  /** undefined for plain text. */
  readonly messages: readonly ChatMessage[] | undefined;
  /** The whole gold answer. */
  readonly target: string;
}

/** Prompts of the first `count` questions. One generator serves them all, in their order. */
export function buildPrompts(
  problems: ProblemSet,
  count: number,
  options: PromptOptions,
): EvalPrompt[] {
  const { test, train } = problems;
  const random = new PythonRandom(options.fewshotSeed);
  return test.slice(0, count).map((doc, docId) => {
    const shots = random.sample(train.length, options.numFewshot);
    const examples = shots.map((index) => train[index] as Problem);
    const messages = messagesOf(examples, doc, options);
    const text = messages === undefined ? plainText(examples, doc, options) : pythonJson(messages);
    return { docId, doc, shots, text, messages, target: doc.answer };
  });
}

const questionText = ({ question }: Problem) => `Question: ${question}\nAnswer:`;

function plainText(
  examples: readonly Problem[],
  doc: Problem,
  { systemInstruction = "" }: Pick<PromptOptions, "systemInstruction">,
): string {
  const solved = examples.map((shot) => `${questionText(shot)} ${shot.answer}\n\n`);
  return `${systemInstruction}${solved.join("")}${questionText(doc)}`;
}

function messagesOf(
  examples: readonly Problem[],
  doc: Problem,
  { style, systemInstruction }: PromptOptions,
): ChatMessage[] | undefined {
  if (style === "plain") return undefined;
  const system: ChatMessage[] =
    systemInstruction === undefined ? [] : [{ role: "system", content: systemInstruction }];
  if (style === "chat") {
    return [...system, { role: "user", content: plainText(examples, doc, {}) }];
  }
  const turns = examples.flatMap((shot): ChatMessage[] => [
    { role: "user", content: questionText(shot) },
    { role: "assistant", content: shot.answer },
  ]);
  return [...system, ...turns, { role: "user", content: questionText(doc) }];
}
