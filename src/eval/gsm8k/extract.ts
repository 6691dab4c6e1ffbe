/** The two filters of the task: which piece of a response counts as its answer. */

export const filterNames = ["strict-match", "flexible-extract"] as const;
export type FilterName = (typeof filterNames)[number];

/** What the harness puts where a filter finds nothing. */
export const noAnswer = "[invalid]";

interface Filter {
  readonly name: FilterName;
  readonly pattern: RegExp;
  /** Which of the matches is taken. */
  readonly pick: "first" | "last";
}

/** Python's `\d`-free patterns work in JavaScript as they stand. */
export const filters: readonly Filter[] = [
  { name: "strict-match", pattern: /#### (-?[0-9.,]+)/g, pick: "first" },
  { name: "flexible-extract", pattern: /(-?[$0-9.,]{2,})|(-?[0-9]+)/g, pick: "last" },
];

/** The answer in a response; a missing response counts as an empty one. */
export function extractAnswer(name: FilterName, response: string | null | undefined): string {
  const filter = filters.find((candidate) => candidate.name === name) as Filter;
  const matches = [...(response ?? "").matchAll(filter.pattern)];
  const match = filter.pick === "first" ? matches[0] : matches.at(-1);
  const group = match?.slice(1).find((text) => text !== undefined && text !== "");
  return group === undefined ? noAnswer : group.trim();
}
