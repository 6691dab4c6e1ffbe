import fc from "fast-check";
import { expect, test } from "vitest";
import { DueQueue } from "./due-queue.ts";

test("gives what was put in, least due time first, however the two are mixed", () => {
  const command = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant("pop" as const));
  fc.assert(
    fc.property(fc.array(command), (commands) => {
      const queue = new DueQueue<{ dueMs: number }>();
      const expected: number[] = [];
      for (const next of commands) {
        if (next === "pop") {
          expected.sort((a, b) => a - b);
          expect(queue.pop()?.dueMs).toBe(expected.shift());
        } else {
          queue.push({ dueMs: next });
          expected.push(next);
        }
        expect(queue.first?.dueMs).toBe(expected.length === 0 ? undefined : Math.min(...expected));
      }
    }),
  );
});
