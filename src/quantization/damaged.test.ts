/** A checkpoint that is damaged in any way is refused with a clear message, and nothing is left behind. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { resolveModel } from "../checkpoint/resolve.ts";
import { formatByName } from "../formats/registry.ts";
import { quantizeModel } from "./quantize-model.ts";

const fixture = fileURLToPath(new URL("../../test/fixtures/models/llama-untied", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "quantlab-damaged-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Tensors = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** The file with another header; the data stays. */
function withHeader(file: Buffer, change: (tensors: Tensors) => void): Buffer {
  const length = Number(file.readBigUInt64LE(0));
  const tensors = JSON.parse(file.toString("utf8", 8, 8 + length));
  change(tensors);
  const header = Buffer.from(JSON.stringify(tensors));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([size, header, file.subarray(8 + length)]);
}

const linear = "model.layers.1.mlp.down_proj.weight";

function entryOf(tensors: Tensors, name: string) {
  const entry = tensors[name];
  if (entry === undefined) throw new Error(`the fixture has no ${name}`);
  return entry;
}

const damages: readonly [string, (file: Buffer) => Buffer, RegExp][] = [
  ["a truncated file", (file) => file.subarray(0, file.length - 1000), /bytes/],
  ["an empty file", () => Buffer.alloc(0), /8 bytes|empty|length/],
  [
    "a header of 2^63 bytes",
    (file) => {
      const changed = Buffer.from(file);
      changed.writeBigUInt64LE(2n ** 63n, 0);
      return changed;
    },
    /9223372036854775808/,
  ],
  [
    "overlapping offsets",
    (file) =>
      withHeader(file, (tensors) => {
        const entry = entryOf(tensors, linear);
        const [begin, end] = entry.data_offsets;
        entry.data_offsets = [begin - 4, end - 4];
      }),
    /overlap|hole|begin|offset/,
  ],
  [
    "a tensor of another dtype",
    (file) =>
      withHeader(file, (tensors) => {
        entryOf(tensors, linear).dtype = "I16";
      }),
    /down_proj\.weight is I16, expected BF16, F16 or F32/,
  ],
  [
    "a tensor under another name",
    (file) =>
      withHeader(file, (tensors) => {
        tensors.other = entryOf(tensors, linear);
        delete tensors[linear];
      }),
    /down_proj\.weight/,
  ],
  [
    "a tensor of another shape",
    (file) =>
      withHeader(file, (tensors) => {
        entryOf(tensors, linear).shape.reverse();
      }),
    /down_proj\.weight is \[/,
  ],
];

it.each(
  ["fp8", "awq", "int8"].flatMap((format) => damages.map((damage) => [format, ...damage] as const)),
)("%s of %s", async (formatName, what, damage, message) => {
  const name = `${formatName}-${what.replace(/\W/g, "-")}`;
  const source = join(folder, name);
  cpSync(fixture, source, { recursive: true });
  const file = join(source, "model.safetensors");
  writeFileSync(file, damage(readFileSync(file)));
  const out = join(folder, `${name}-out`);
  await expect(quantize(source, formatName, out)).rejects.toMatchObject({
    name: "QuantlabError",
    message: expect.stringMatching(message),
  });
  expect(existsSync(out)).toBe(false);
  expect(existsSync(`${out}.partial`)).toBe(false);
});

it("a group size that does not divide the columns leaves nothing behind", async () => {
  const out = join(folder, "groups-out");
  await expect(quantize(fixture, "awq", out, 128)).rejects.toMatchObject({
    code: "format-unsupported",
    message: expect.stringMatching(/128/),
  });
  expect(existsSync(out)).toBe(false);
  expect(existsSync(`${out}.partial`)).toBe(false);
});

async function quantize(source: string, formatName: string, out: string, groupSize?: number) {
  const model = resolveModel(source);
  const format = formatByName(formatName);
  const [layout] = format.layouts;
  if (layout === undefined) throw new Error("a quantized format has a layout");
  const resolved = { ...format.resolve(model.config), layout: layout.name };
  const options = groupSize === undefined ? resolved : { ...resolved, groupSize };
  const sequences = [Array.from({ length: 16 }, (_, i) => i)];
  return quantizeModel({
    model,
    format,
    layout,
    options,
    sequences: format.quantizer?.needsCalibration(options) ? sequences : undefined,
    kvCacheScales: false,
    settings: {},
    out,
    seed: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
}
