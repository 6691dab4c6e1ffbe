/** Reads a YAML file against a schema; every problem is named with its line. */
import { isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { QuantlabError } from "../base/errors.ts";

/**
 * @param path for messages
 * @param hint where the keys are described
 * @throws config-invalid with "path:line" for each problem
 */
export function parseYaml<T>(text: string, path: string, schema: z.ZodType<T>, hint: string): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const line = lines.linePos(broken.pos[0]).line;
    throw new QuantlabError("config-invalid", `${path}:${line}: ${broken.message.split("\n")[0]}`, {
      cause: broken,
    });
  }
  const parsed = schema.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(withKeys).map((issue) => {
    const node = nearestNode(document, issue.path);
    const line = node === undefined ? 1 : lines.linePos(node).line;
    return `${path}:${line}: ${issue.path.join(".") || "the file"}: ${issue.message}`;
  });
  throw new QuantlabError("config-invalid", [...new Set(problems)].join("\n"), {
    hint,
    cause: parsed.error,
  });
}

interface FlatIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A misspelled key is the place to point at, not the map that holds it. */
function withKeys(issue: z.core.$ZodIssue): FlatIssue {
  const key = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const why = issue.code === "invalid_key" ? issue.issues[0]?.message : undefined;
  return { path: [...issue.path, ...key], message: why ?? issue.message };
}

/** Offset of the node at `path`, or of the nearest one above it that exists. */
function nearestNode(
  document: ReturnType<typeof parseDocument>,
  path: readonly PropertyKey[],
): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}
