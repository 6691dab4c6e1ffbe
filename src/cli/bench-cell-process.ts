/** A cell of `bench kernels` or `bench attention` in a process of its own, so that none finds another's memory. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { QuantlabError } from "../base/errors.ts";

// Two levels up from src/cli and from dist/cli alike.
const binary = fileURLToPath(new URL("../../bin/quantlab.js", import.meta.url));

/** What `quantlab bench OP --cell` prints. @throws target-failed with the end of its stderr */
export function inFreshProcess<T>(
  op: "kernels" | "attention",
  name: string,
  cell: object,
  schema: z.ZodType<T>,
): T {
  const args = [binary, "bench", op, "--cell", JSON.stringify(cell)];
  const child = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (child.status === 0) return schema.parse(JSON.parse(child.stdout));
  throw new QuantlabError(
    "target-failed",
    `the cell ${name} failed: ${child.stderr.trim().slice(-2000)}`,
  );
}
