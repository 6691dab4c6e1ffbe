/** What a problem template is: a function from seeded draws to a question, its steps and its answer. */
import type { Draw, Result } from "./draw.ts";

/** A problem before it becomes a line of a data set. */
export interface Draft {
  /** The question, one paragraph. */
  readonly question: string;
  /** The solution, one sentence with one or more calculator annotations per line. */
  readonly steps: readonly string[];
  /** The last result, which becomes the line `#### N`. */
  readonly answer: Result;
}

/** One kind of story. */
export interface Template {
  /** Unique, `topic/name`. */
  readonly id: string;
  /** Never used in training: the split that asks for new stories, not only new numbers. */
  readonly heldOut?: true;
  /** Writes one problem; throws `rejected` (draw.ts) where the drawn numbers do not work out. */
  write(draw: Draw): Draft;
}
