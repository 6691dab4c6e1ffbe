/** Every request of the hardest load over time: waiting for the first token, then the stream. */
import { rowsOf, settingsOf, settingTitle } from "../../analysis/cells.ts";
import { asText } from "../../analysis/wording.ts";
import type { RecordedTimes } from "../../results/records.ts";
import { type Chart, plainQuantity, type Records, type Spec } from "./chart.ts";

interface Lane {
  readonly row: string;
  readonly path: string;
  readonly requests: readonly RecordedTimes[];
}

/** More requests than this are thinned out evenly: lines would cover each other. */
const mostRequests = 60;

export const timeline: Chart = {
  id: "timeline",
  figure(run, _analysis, records) {
    const setting = settingsOf(run, "serving").at(-1);
    if (setting === undefined) return undefined;
    const lanes = rowsOf(run).flatMap((row) => laneOf(records, row, setting) ?? []);
    if (lanes.length === 0) return undefined;
    return {
      id: "timeline",
      title: `Requests over time, ${settingTitle(setting)}`,
      caption: `One line a request, first repeat. Pale: from sending to the first token; strong: from the first token to the last. ${lanes.map(sentence).join(" ")}`,
      spec: (width) => specOf(lanes, width),
      data: {
        title: "Requests over time",
        columns: [
          { id: "row", title: "format", unit: "" },
          { id: "requests", title: "requests", unit: "" },
          { id: "end", title: "last token", unit: "s" },
          { id: "wait", title: "longest wait for a first token", unit: "s" },
        ],
        rows: lanes.map((lane) => ({
          row: lane.row,
          requests: { text: String(lane.requests.length), evidence: [lane.path] },
          end: plainQuantity(endOf(lane) / 1e3, "s", [lane.path]),
          wait: plainQuantity(longestWait(lane) / 1e3, "s", [lane.path]),
        })),
      },
    };
  },
};

function laneOf(records: Records, row: string, setting: string): Lane | undefined {
  const path = `${row}/serving/${setting}/0`;
  const all = records.get(path);
  if (all === undefined) return undefined;
  const sorted = all.toSorted((a, b) => a.sentMs - b.sentMs);
  const every = Math.max(1, Math.ceil(sorted.length / mostRequests));
  return { row, path, requests: sorted.filter((_, index) => index % every === 0) };
}

const firstOf = (request: RecordedTimes) => request.tokenTimesMs[0] ?? request.doneMs;
const lastOf = (request: RecordedTimes) => request.tokenTimesMs.at(-1) ?? request.doneMs;
const endOf = ({ requests }: Lane) => Math.max(...requests.map(lastOf));
const longestWait = ({ requests }: Lane) =>
  Math.max(...requests.map((request) => firstOf(request) - request.sentMs));

function sentence(lane: Lane): string {
  return `${lane.row} is done after ${asText(endOf(lane) / 1e3)} s, the longest wait for a first token is ${asText(longestWait(lane) / 1e3)} s.`;
}

function specOf(lanes: readonly Lane[], width: number): Spec {
  const values = lanes.flatMap(({ row, requests }) =>
    requests.map((request, order) => ({
      row,
      order,
      sent: request.sentMs / 1e3,
      first: firstOf(request) / 1e3,
      last: lastOf(request) / 1e3,
    })),
  );
  const end = Math.max(...values.map(({ last }) => last));
  const most = Math.max(...lanes.map(({ requests }) => requests.length));
  const x = {
    type: "quantitative",
    scale: { domain: [0, end], nice: false },
    axis: { title: "seconds since the cell began", tickCount: 6 },
  };
  const y = { field: "order", type: "ordinal", axis: null };
  const rule = (from: string, to: string, opacity: number) => ({
    mark: { type: "rule", strokeWidth: most > 30 ? 2.4 : 4.5, opacity, color: "#2f80c3" },
    encoding: { x: { field: from, ...x }, x2: { field: to }, y },
  });
  return {
    data: { values },
    facet: {
      row: {
        field: "row",
        type: "nominal",
        sort: lanes.map(({ row }) => row),
        title: null,
        header: {
          labelColor: "currentColor",
          labelFontSize: 13,
          labelAngle: 0,
          labelOrient: "top",
          labelAnchor: "start",
          labelPadding: 2,
        },
      },
    },
    spacing: 8,
    spec: {
      width,
      height: { step: most > 30 ? 3.2 : 7 },
      layer: [rule("sent", "first", 0.35), rule("first", "last", 1)],
    },
  };
}
