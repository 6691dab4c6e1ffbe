// The model that is compared, from quantlab's own table of shapes.
import { parameterCounts, shapeConfig } from "../../dist/checkpoint/shapes.js";

/** @param {string} spec dummy:SHAPE; its sizes as the ceilings need them */
export function modelOf(spec) {
  const shape = spec.replace(/^dummy:/, "");
  const config = shapeConfig(shape);
  const { linear, embedding, head } = parameterCounts(config);
  const { layers, kvHeads, headDim, hiddenSize } = config;
  return {
    ...{ spec, shape, hiddenSize, linear },
    // A tied head reads the embedding.
    head: head === 0 ? embedding : head,
    kvBytesPerToken: 2 * layers * kvHeads * headDim * 2,
    awqGroup: [128, 64, 32].find((size) => hiddenSize % size === 0) ?? hiddenSize,
  };
}
