/** `quantlab chat` over pipes: lines in, answers out; one format, and two. */
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { QuantlabProcess } from "../quantlab-process.ts";

let child: QuantlabProcess | undefined;
afterEach(async () => child?.destroy());

function chat(...flags: string[]): QuantlabProcess {
  child = new QuantlabProcess(["chat", "--model", "dummy:tiny", "--threads", "1", ...flags]);
  return child;
}

const answerSchema = z.object({
  format: z.string(),
  text: z.string(),
  tokenIds: z.array(z.number()),
  finishReason: z.string(),
});
const answersOf = (text: string) =>
  text.split("\n").map((line) => answerSchema.parse(JSON.parse(line)));

test("each line is answered with the conversation before it; /new forgets it", async () => {
  const process = chat("--max-tokens", "6", "--json");
  process.write("Hello\nAnd then?\n/new\nHello\n/quit\nnever read\n");
  expect(await process.ended, process.stderr).toBe(0);
  const [first, second, third, ...rest] = answersOf(process.stdout);
  expect(rest).toEqual([]);
  expect(first).toMatchObject({ format: "bf16", finishReason: "length" });
  expect(first?.tokenIds).toHaveLength(6);
  expect(second?.tokenIds).not.toEqual(first?.tokenIds);
  expect(third?.tokenIds).toEqual(first?.tokenIds);
  expect(process.stderr).toContain("the answers mean nothing");
});

test("two formats answer the same message, and where they part is said", async () => {
  const process = chat("--format", "bf16", "--versus", "awq", "--prompt", "Hello");
  expect(await process.ended, process.stderr).toBe(0);
  expect(process.stdout).toMatch(/^bf16: /m);
  expect(process.stdout).toMatch(/^awq: /m);
  expect(process.stderr).toMatch(/the answers part at token \d+ of|both answers are the same/);
  expect(process.stderr).toMatch(/\[awq: \d+ tokens, first after/);
});
