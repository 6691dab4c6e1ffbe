/** E4: accuracy on GSM8K; planned, and skipped with its reason while it cannot be measured. */
import type { Experiment } from "./experiment.ts";

const untrained = "this checkpoint is not trained: its answers mean nothing";
const notBuilt = "this version of quantlab cannot run the evaluation yet";

export const accuracy: Experiment = {
  name: "accuracy",
  title: "E4 accuracy",
  plan(config) {
    const settings = config.experiments.accuracy;
    if (settings === undefined) return [];
    const skip = config.model.startsWith("dummy:") ? untrained : notBuilt;
    return [{ setting: settings.task, predictedMs: 0, skip }];
  },
  draw: async () => undefined,
  async run(cell) {
    throw new Error(`${cell.requestsId} is always skipped`);
  },
};
