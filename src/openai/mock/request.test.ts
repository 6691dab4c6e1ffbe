import fc from "fast-check";
import { expect, test } from "vitest";
import { isPlainRequest, requestSchema } from "./request.ts";

const maybe = <T>(value: fc.Arbitrary<T>) => fc.oneof(fc.constant(undefined), value);
const odd = fc.constantFrom<unknown>(null, 0, -1, 1.5, "x", true, [], ["a"], {});

test("what counts as plain, the schema accepts", () => {
  const request = fc.record({
    model: fc.oneof(fc.constant("mock"), odd),
    prompt: maybe(fc.oneof(fc.string(), fc.array(fc.nat()), odd)),
    max_tokens: maybe(fc.oneof(fc.nat(), odd)),
    max_completion_tokens: maybe(odd),
    stream: fc.oneof(fc.constant(true), odd),
    stream_options: maybe(fc.oneof(fc.record({ include_usage: fc.oneof(fc.boolean(), odd) }), odd)),
    messages: maybe(odd),
  });
  fc.assert(
    fc.property(request, (fields) => {
      const value: unknown = JSON.parse(JSON.stringify(fields));
      if (isPlainRequest(value)) expect(requestSchema.safeParse(value).success).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("what our load generator sends is plain", () => {
  const fields = {
    model: "m",
    max_tokens: 1,
    stream: true,
    stream_options: { include_usage: true },
  };
  expect(isPlainRequest({ ...fields, prompt: [1, 2] })).toBe(true);
  expect(isPlainRequest({ ...fields, prompt: "text" })).toBe(true);
});
