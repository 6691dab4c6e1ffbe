/** Every template, and the two groups that the splits are made of. */
import type { Template } from "./template.ts";
import { ages } from "./topics/ages.ts";
import { changes } from "./topics/changes.ts";
import { comparison } from "./topics/comparison.ts";
import { distances } from "./topics/distances.ts";
import { fractions } from "./topics/fractions.ts";
import { money } from "./topics/money.ts";
import { percentages } from "./topics/percentages.ts";
import { rates } from "./topics/rates.ts";
import { sharing } from "./topics/sharing.ts";
import { shopping } from "./topics/shopping.ts";
import { time } from "./topics/time.ts";

export const templates: readonly Template[] = [
  ...shopping,
  ...sharing,
  ...rates,
  ...ages,
  ...percentages,
  ...fractions,
  ...distances,
  ...time,
  ...money,
  ...comparison,
  ...changes,
];

/** Templates that training may see. */
export const seenTemplates = templates.filter((template) => template.heldOut !== true);

/** Templates that training never sees. */
export const heldOutTemplates = templates.filter((template) => template.heldOut === true);
