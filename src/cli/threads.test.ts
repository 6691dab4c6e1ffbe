/** The kernels' threads when nobody says how many. */
import { expect, test } from "vitest";
import { draftOf, localDraftOf } from "./lab-options.ts";
import { defaultThreads, threadsBesideLoad } from "./threads.ts";

test("a load generator beside the server gets a core where there are more than two", () => {
  expect([1, 2, 3, 4, 64].map(threadsBesideLoad)).toEqual([1, 2, 2, 3, 63]);
});

test("only an embedded server on this machine is told, and only when nobody said", () => {
  const threads = threadsBesideLoad(defaultThreads());
  expect(localDraftOf(undefined, { out: "runs" }).threads).toBe(threads);
  expect(localDraftOf(undefined, { out: "runs", threads: 1 }).threads).toBe(1);
  expect(localDraftOf(undefined, { out: "runs", target: "vllm" }).threads).toBeUndefined();
  expect(draftOf(undefined, { out: "runs" }).threads).toBeUndefined();
});
