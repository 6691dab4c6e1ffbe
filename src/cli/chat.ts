/** `quantlab chat`: talk to a model in one format, or to the same model in two, one after the other. */
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { Command } from "commander";
import { significant } from "../base/units.ts";
import { type Answer, type GenerateOptions, Llm } from "../engine/llm.ts";
import { kernels } from "../kernels/binding.ts";
import type { ChatMessage } from "../text/chat-template.ts";
import { addEngineFlags, type EngineFlags, engineOptionsOf } from "./engine-options.ts";
import { positiveInteger, positiveOrZero, probability, wholeNumber } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { defaultThreads } from "./threads.ts";

interface ChatFlags extends EngineFlags {
  readonly versus?: string;
  readonly prompt?: string;
  readonly system?: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly samplingSeed?: number;
  readonly json: boolean;
}

/** One format's side of the conversation: each remembers its own answers. */
interface Side {
  readonly format: string;
  readonly llm: Llm;
  readonly messages: ChatMessage[];
}

const examples = `
Each line is a message; /new forgets the conversation, /quit or Ctrl-D ends, Ctrl-C cuts an answer short.
With --versus both formats answer, greedily unless told otherwise, and the first differing token is named.

Examples:
  $ quantlab chat --model ./Llama-3.2-1B-Instruct --format awq
  $ quantlab chat --model ./Llama-3.2-1B-Instruct --format bf16 --versus awq
  $ quantlab chat --model bundled --prompt "A baker sells 12 loaves and then 7. How many?"`;

export function chatCommand(): Command {
  const command = new Command("chat").description(
    "Talk to a model in one format, or in two with --versus.",
  );
  return addEngineFlags(command)
    .option("--versus <format>", "the same model in another format answers too")
    .option("--prompt <text>", "one message instead of a conversation")
    .option("--system <text>", "the system message")
    .option("--max-tokens <n>", "of an answer", positiveInteger, 256)
    .option("--temperature <t>", "0 always takes the most likely token", positiveOrZero, 0)
    .option("--top-p <p>", "share of probability that is sampled from", probability, 1)
    .option("--sampling-seed <n>", "makes sampling repeatable", wholeNumber)
    .option("--json", "answers as JSON lines on stdout", false)
    .addHelpText("after", examples)
    .action(chat);
}

async function chat(flags: ChatFlags): Promise<void> {
  kernels.setThreads(flags.threads ?? defaultThreads());
  const sides: Side[] = [];
  try {
    for (const format of [flags.format, ...(flags.versus === undefined ? [] : [flags.versus])]) {
      sides.push(await startSide(flags, format));
    }
    if (flags.prompt !== undefined) await takeTurn(sides, flags.prompt, flags);
    else await converse(sides, flags);
  } finally {
    for (const { llm } of sides) await llm.stop();
  }
}

async function startSide(flags: ChatFlags, format: string | undefined): Promise<Side> {
  const progress = new Progress();
  progress.event(`loading ${flags.model}${format === undefined ? "" : ` in ${format}`}`);
  const options = { ...engineOptionsOf({ ...flags, maxNumSeqs: 1 }), format };
  const llm = await Llm.start(options, (fraction, text) =>
    progress.bar({ fraction, leftMs: undefined, text }),
  );
  progress.end();
  if (!llm.facts.trained) progress.event("these weights are random: the answers mean nothing");
  return { format: llm.facts.format, llm, messages: opening(flags) };
}

function opening({ system }: ChatFlags): ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}

async function converse(sides: readonly Side[], flags: ChatFlags): Promise<void> {
  const isTerminal = process.stdin.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal: isTerminal,
  });
  const prompt = () => {
    if (isTerminal) lines.prompt();
  };
  prompt();
  for await (const line of lines) {
    const text = line.trim();
    if (text === "/quit") break;
    if (text === "/new")
      for (const side of sides) side.messages.splice(0, Infinity, ...opening(flags));
    else if (text !== "") await takeTurn(sides, text, flags, lines);
    prompt();
  }
  lines.close();
}

/** Every side answers, one after the other: on the same cores, side by side would slow both. */
async function takeTurn(
  sides: readonly Side[],
  content: string,
  flags: ChatFlags,
  lines?: Interface,
): Promise<void> {
  const cut = new AbortController();
  const onInterrupt = () => cut.abort();
  // A terminal in raw mode gives Ctrl-C to readline; without one it comes as a signal.
  lines?.on("SIGINT", onInterrupt);
  process.on("SIGINT", onInterrupt);
  try {
    const answers: Answer[] = [];
    for (const side of sides) answers.push(await answer(side, content, flags, cut.signal));
    const [a, b] = answers;
    if (a !== undefined && b !== undefined && !flags.json) {
      process.stderr.write(`${difference(a, b)}\n`);
    }
  } finally {
    lines?.off("SIGINT", onInterrupt);
    process.off("SIGINT", onInterrupt);
  }
}

async function answer(
  side: Side,
  content: string,
  flags: ChatFlags,
  signal: AbortSignal,
): Promise<Answer> {
  const { llm, format, messages } = side;
  messages.push({ role: "user", content });
  const options: GenerateOptions = { ...flags, seed: flags.samplingSeed };
  if (!flags.json) process.stdout.write(`${format}: `);
  const prompt = llm.encode(messages);
  // What does not fit the context any more is not asked for.
  const room = llm.facts.limits.maxModelLen - prompt.length;
  const maxTokens = Math.max(1, Math.min(flags.maxTokens, room));
  const answered = await llm.generate(
    prompt,
    { ...options, maxTokens },
    (text) => {
      if (!flags.json) process.stdout.write(text);
    },
    signal,
  );
  messages.push({ role: "assistant", content: answered.text });
  if (flags.json) await writeLine(JSON.stringify({ format, ...answered }));
  else {
    process.stdout.write("\n");
    process.stderr.write(`  [${format}: ${summary(answered)}]\n`);
  }
  return answered;
}

async function writeLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

/** "48 tokens, first after 120 ms, then 31.2 tok/s". */
function summary({ tokenIds, firstTokenMs, decodeMs, finishReason }: Answer): string {
  const rate =
    tokenIds.length > 1 && decodeMs > 0
      ? `, then ${significant(((tokenIds.length - 1) / decodeMs) * 1e3, 3)} tok/s`
      : "";
  const why = finishReason === "stop" ? "" : `, ended by ${finishReason}`;
  return `${tokenIds.length} tokens, first after ${significant(firstTokenMs, 3)} ms${rate}${why}`;
}

/** Where two answers part. */
export function difference(a: Pick<Answer, "tokenIds">, b: Pick<Answer, "tokenIds">): string {
  const longest = Math.max(a.tokenIds.length, b.tokenIds.length);
  for (let i = 0; i < longest; i++) {
    if (a.tokenIds[i] !== b.tokenIds[i]) {
      return `  [the answers part at token ${i + 1} of ${longest}]`;
    }
  }
  return `  [both answers are the same ${longest} tokens]`;
}
