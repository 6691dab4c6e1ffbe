/** Accuracy of a row with its interval: of the share where the cell says how many questions, else over repeats. */
import type { Run } from "../results/run.ts";
import { figureOf, repeatsOf } from "./cells.ts";
import type { Interval } from "./interval.ts";
import { wilsonInterval } from "./paired.ts";

const place = (figure: string) => ({ experiment: "accuracy", setting: "gsm8k", figure });

/** Exact match as a share; undefined where the row has no finished accuracy cell. */
export function accuracyFigure(run: Run, label: string): Interval | undefined {
  const found = figureOf(run, label, place("accuracy"));
  const questions = [...repeatsOf(run, label, place("questions")).values()][0];
  if (found === undefined || questions === undefined || found.n > 1) return found;
  return wilsonInterval(Math.round(found.value * questions), questions);
}
