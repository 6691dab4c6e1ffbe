/** The only importer of the chart library: a specification becomes an SVG that needs no script. */
import { Error as errorLevel, parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Spec } from "./charts/chart.ts";

/** Text takes the page's colour, so that one drawing serves light and dark. */
const config = {
  background: "transparent",
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    labelColor: "currentColor",
    titleColor: "currentColor",
    domainColor: "currentColor",
    tickColor: "currentColor",
    gridColor: "currentColor",
    gridOpacity: 0.15,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
  },
  legend: {
    labelColor: "currentColor",
    titleColor: "currentColor",
    labelFontSize: 13,
    orient: "top",
    symbolSize: 110,
    symbolOpacity: 1,
  },
};

/**
 * Draws a specification.
 * @param name unique on the page: it prefixes the drawing's ids
 * @param label read by screen readers in place of the picture
 */
export async function renderSvg(spec: Spec, name: string, label: string): Promise<string> {
  const compiled = compile({ ...spec, config } as unknown as TopLevelSpec).spec;
  const view = new View(parse(compiled), { renderer: "none", logLevel: errorLevel });
  try {
    return adapt(await view.toSVG(), name, label);
  } finally {
    view.finalize();
  }
}

/** Ids made unique on the page; one image with one label instead of a hundred roles and labels. */
function adapt(svg: string, name: string, label: string): string {
  const escaped = label.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  return svg
    .replace(/ (?:role|aria-[a-z]+)="[^"]*"/g, "")
    .replace(/\bid="([^"]+)"/g, `id="${name}-$1"`)
    .replace(/url\(#([^)]+)\)/g, `url(#${name}-$1)`)
    .replace(/^<svg /, `<svg role="img" aria-label="${escaped}" `);
}
