import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { gsm8k } from "../../../test/gsm8k-files.ts";
import { type ProblemSet, readProblems } from "./dataset.ts";
import { hashesOf, taskHash } from "./hashes.ts";
import { buildPrompts, defaultFewshotSeed, type PromptOptions } from "./prompt.ts";
import { promptLines } from "./prompt-file.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const plain: PromptOptions = {
  numFewshot: 8,
  fewshotSeed: defaultFewshotSeed,
  style: "plain",
};

// Digests and indices are those of lm-evaluation-harness on the same two files (main of August 2026
// and five releases before it); see docs/accuracy.md.
describe.skipIf(!gsm8k.present)(
  gsm8k.present ? "prompts on GSM8K as the harness builds them" : gsm8k.missing,
  () => {
    let problems: ProblemSet;
    beforeAll(async () => {
      problems = await readProblems(gsm8k.test, 8);
    });
    const build = (count: number, options: Partial<PromptOptions> = {}) =>
      buildPrompts(problems, count, { ...plain, ...options });

    it("writes the harness's own prompts, byte for byte", () => {
      expect(promptLines(build(5))).toBe(readFileSync(gsm8k.harnessPrompts, "utf8"));
    });

    it.each([
      [8, 5, "db00c85cf40853a0f1c882e7110cc0409e7979c28cb8801adeb63be9b06e1d63"],
      [8, 100, "a223c93401c14449c73e0907afd5b4e90241e7ae7105fdf345c45251df0933aa"],
      [8, 250, "6c97ce57fd5f798c90dce526e385a8cba55b60187609028d50312b2e125ed338"],
      [8, 1319, "95f8196321b0265071b50848eefb24104f2f0bb8ccb3fe5ce4c9fad5cca39e7e"],
      [5, 100, "95c100a16557edd4d6a4ed5f833c77170e6a75846b8d9b44838a14b50166cd02"],
      [5, 1319, "f21436e42f1b4dd092dcc03530cb90c7875e6b77fe8091e0236e7670a3b8d0af"],
    ])(
      "draws the shots of %d-shot runs for the first %d questions",
      (numFewshot, count, digest) => {
        expect(sha256(JSON.stringify(build(count, { numFewshot }).map(({ shots }) => shots)))).toBe(
          digest,
        );
      },
    );

    it("draws other shots for another seed", () => {
      const [first, second] = build(2, { fewshotSeed: 42 });
      expect(first?.shots).toEqual([5238, 912, 204, 6074, 2253, 2006, 1828, 1143]);
      expect(second?.shots).toEqual([6033, 839, 5543, 6067, 7308, 4467, 712, 4837]);
    });

    it.each([
      [0, 5472, "d2665d46bac7074822519f9ed3dc0f83cc13b5d9e299fec8f202cdd81cd55cdd"],
      [1, 4432, "50db905b2b2c0affda5356c35b089055ce06ce4e28cf2fffcf06b5235573acae"],
      [2, 4415, "a537af0ae66edae7d1012b3e7448ffe789819b67910b6070c618f0ab5ff61b06"],
      [3, 3470, "493cd6158987c4cc7143e6f23aa79723e6d997ce4da18b287c4b49e8e1e884f3"],
      [4, 4866, "bf9d5dc80a817caa649a0e11aa191da72a36c491bffcc9beb6fb5c861bbccc33"],
      [99, 4382, "eb1cfe46210c589c223e0e06936e004f584277fefdbe95b85154328a8be38de9"],
      [1318, 3999, "0cd6127510e755c83282b1d2a0387207676567d6822c4becd5e6788d446abb63"],
    ])("hashes the prompt of question %d", (docId, characters, digest) => {
      const prompt = build(docId + 1)[docId];
      expect(prompt?.text.length).toBe(characters);
      expect(prompt && hashesOf(prompt).prompt).toBe(digest);
    });

    it("hashes document and target of question 0, and prompts with five and no shots", () => {
      const [prompt] = build(1);
      expect(prompt && hashesOf(prompt)).toMatchObject({
        doc: "986c19252f3c7f6eaeff2229e9a5777f96a85c0ceea931a92d2289084dfd518c",
        target: "623a0fbdf774fcb55e485a3e6b012e6c3965616af5b8eb9b9aebd2f6712be2eb",
      });
      const promptHashes = (numFewshot: number) =>
        build(2, { numFewshot }).map((each) => hashesOf(each).prompt);
      expect(promptHashes(5)).toEqual([
        "32680f263ba83280e98a8a24ceefed10a722a4cdcd9f4d78e93c45d43143ca66",
        "e6b9a0195411932e5323ed20ad05e965b08b979103bbb26594a5bdf123d27990",
      ]);
      expect(promptHashes(0)[0]).toBe(
        "b7d0342d147aa332159a8ac1e335932b8a27a7aca3a758b41efa721c5bf4984a",
      );
    });

    it.each([
      [5, "c1dd96639a775051836585ddf4a6a93bb8390c01a81c61b3d1214b5cef350d79"],
      [100, "077850faf98b6037f54e0c158610b517b574ab02c70b0eb01da3764ac1ca70ad"],
      [1319, "5edaa24ff4f3d939c3e1c5fd65a53cead84d4a52171818c453ec47099bd2a422"],
    ])("gives task_hashes of the first %d questions", (count, digest) => {
      expect(taskHash(build(count).map(hashesOf))).toBe(digest);
    });

    it("hashes the messages of a multi-turn chat", () => {
      const [prompt] = build(1, { style: "chat-multiturn" });
      expect(prompt?.messages).toHaveLength(17);
      expect(prompt && hashesOf(prompt).prompt).toBe(
        "eb739112b798a6389e7afd182c8938cdc012254b12c03aa9a5e5a451fddced0f",
      );
    });

    it("puts the plain prompt into one user message without multi-turn", () => {
      const [chat] = build(1, { style: "chat", systemInstruction: "Be brief." });
      expect(chat?.messages).toEqual([
        { role: "system", content: "Be brief." },
        { role: "user", content: build(1)[0]?.text },
      ]);
    });
  },
);

describe("prompts", () => {
  const problem = (n: number) => ({ question: `Q${n}?`, answer: `So ${n}.\n#### ${n}` });
  const problems: ProblemSet = {
    test: [problem(1), problem(2)],
    train: Array.from({ length: 30 }, (_, i) => problem(i + 10)),
    testPath: "test.jsonl",
    trainPath: "train.jsonl",
    testSha256: "",
  };

  it("set a system instruction right before a plain prompt", () => {
    const [prompt] = buildPrompts(problems, 1, {
      ...plain,
      numFewshot: 1,
      systemInstruction: "Hm.",
    });
    const shot = prompt?.shots[0] ?? -1;
    expect(prompt?.text).toBe(
      `Hm.Question: Q${shot + 10}?\nAnswer: So ${shot + 10}.\n#### ${shot + 10}\n\nQuestion: Q1?\nAnswer:`,
    );
  });

  it("do not depend on how many questions are asked", () => {
    const options = { ...plain, numFewshot: 3 };
    expect(buildPrompts(problems, 1, options)[0]).toEqual(buildPrompts(problems, 2, options)[0]);
  });
});
