// The model that is compared, from quantlab's own table of shapes, and what its steps read.
import { parameterCounts, shapeConfig } from "../../dist/checkpoint/shapes.js";
import { headCostOf } from "../../dist/formats/head.js";
import { formatByName } from "../../dist/formats/registry.js";
import { modelTraffic } from "../../dist/roofline/traffic.js";

/** @param {string} spec dummy:SHAPE; its sizes as the ceilings need them */
export function modelOf(spec) {
  const shape = spec.replace(/^dummy:/, "");
  const config = shapeConfig(shape);
  const { linear, embedding, head, norm } = parameterCounts(config);
  const { layers, kvHeads, headDim } = config;
  return {
    ...{ spec, shape, linear, norm },
    // A tied head reads the embedding.
    head: head === 0 ? embedding : head,
    kvBytesPerToken: 2 * layers * kvHeads * headDim * 2,
  };
}

/** Bits a weight of quantlab's formats, scales and zeros included, as its own roofline counts them. */
export function bitsOf({ shape }, formatName, headName) {
  const config = shapeConfig(shape);
  const format = formatByName(formatName);
  const head = headCostOf(headName, config);
  const { weights } = modelTraffic(config, format, format.resolve(config), 2, head);
  return { linear: weights.linearBitsPerWeight, head: head?.bitsPerWeight ?? 16, norm: 16 };
}
