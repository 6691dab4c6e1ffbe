/** Our formats against compressed-tensors, AutoAWQ and torch, bit for bit; see test/oracles/README.md. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SafetensorsFile } from "../src/checkpoint/safetensors.ts";
import { writeSafetensors } from "../src/checkpoint/writer.ts";
import { bf16ToFloat, f16ToFloat, floatToBf16, floatToF16 } from "../src/formats/float16.ts";
import type { FormatOptions } from "../src/formats/format.ts";
import { decodeE4m3, encodeE4m3 } from "../src/formats/fp8/codec.ts";
import { formatByName } from "../src/formats/registry.ts";
import { bytesOf } from "../src/formats/tensors.ts";

const fixtures = new URL("fixtures/formats/", import.meta.url).pathname;
const readJson = (name: string) => JSON.parse(readFileSync(join(fixtures, name), "utf8"));
const expected = readJson("expected.json");
/** Writes what the oracles read instead of comparing with it. */
const isWriting = process.env.QUANTLAB_WRITE_FIXTURES === "1";

const temporary = mkdtempSync(join(tmpdir(), "quantlab-oracles-"));
afterAll(() => rmSync(temporary, { recursive: true }));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** FP32 values as bytes of another float type. */
function inDtype(values: Float32Array, dtype: string): Uint8Array {
  if (dtype === "bfloat16") return bytesOf(Uint16Array.from(values, floatToBf16));
  if (dtype === "float16") return bytesOf(Uint16Array.from(values, floatToF16));
  return bytesOf(values);
}

type Case = FormatOptions & { readonly format: string };
const packed = "compressed-tensors";

describe("checkpoints that other libraries wrote", () => {
  const cases: readonly [string, Case][] = [
    ["autoawq-64", { format: "awq", layout: "autoawq", groupSize: 64 }],
    ["int4-asymmetric-64", { format: "awq", layout: packed, groupSize: 64 }],
    ["int4-symmetric-128", { format: "awq", layout: packed, groupSize: 128, symmetric: true }],
    ["fp8-channel", { format: "fp8", layout: packed, granularity: "channel" }],
    ["fp8-tensor", { format: "fp8", layout: packed, granularity: "tensor" }],
    ["fp8-block", { format: "fp8", layout: packed, granularity: "block" }],
    ["int8-channel", { format: "int8", layout: packed }],
  ];

  it.each(cases)("%s: our weights are theirs", (name, { format: formatName, ...options }) => {
    const source = SafetensorsFile.open(join(fixtures, "theirs.safetensors"));
    const format = formatByName(formatName);
    const { rows, columns, tensors } = format.read(source, [name], options);
    source.close();
    const { values } = format.dequantize(tensors, rows, columns, options);
    const { dtype, sha256: digest } = expected.theirs[name];
    expect(sha256(inDtype(values, dtype))).toBe(digest);
  });
});

describe("checkpoints that we wrote", () => {
  const cases: readonly [string, Case][] = [
    ["int4-asymmetric-32", { format: "awq", layout: packed, groupSize: 32 }],
    ["int4-asymmetric-128", { format: "awq", layout: packed, groupSize: 128 }],
    ["int4-symmetric-64", { format: "awq", layout: packed, groupSize: 64, symmetric: true }],
    ["fp8-channel", { format: "fp8", layout: packed, granularity: "channel" }],
    ["fp8-tensor", { format: "fp8", layout: packed, granularity: "tensor" }],
    ["fp8-block", { format: "fp8", layout: packed, granularity: "block" }],
  ];
  const rows = 136;
  const columns = 256;

  /** From a sine, which is the same everywhere once it is rounded to BF16. */
  const weights = Uint16Array.from({ length: rows * columns }, (_, i) =>
    floatToBf16(Math.sin(i * i) * (i % 251 === 0 ? 0.4 : 0.04)),
  );

  function quantized({ format: name, ...options }: Case) {
    const format = formatByName(name);
    const tensors = format.quantize(weights, rows, columns, options);
    const layout = format.layouts.find((candidate) => candidate.name === options.layout);
    const { values } = format.dequantize(tensors, rows, columns, options);
    return { tensors, options, layout, values };
  }

  it("are the bytes that the oracle has decompressed", () => {
    const written = cases.flatMap(([name, which]) => {
      const { layout, tensors, options } = quantized(which);
      return layout?.tensorsOf(name, { rows, columns, tensors }, options) ?? [];
    });
    const path = join(isWriting ? fixtures : temporary, "ours.safetensors");
    writeSafetensors(path, written);
    if (isWriting) {
      const text = JSON.stringify(Object.fromEntries(cases), null, 2);
      writeFileSync(join(fixtures, "ours.json"), `${text}\n`);
    }
    expect(sha256(readFileSync(path))).toBe(
      sha256(readFileSync(join(fixtures, "ours.safetensors"))),
    );
  });

  it.each(cases)("%s: compressed-tensors decompresses it to our dequantize", (name, which) => {
    if (isWriting) return;
    const { values } = quantized(which);
    const { dtype, sha256: digest, exact } = expected.ours[name];
    expect(sha256(inDtype(values, dtype))).toBe(digest);
    expect(sha256(bytesOf(values))).toBe(exact);
  });
});

describe("the E4M3 cast", () => {
  it("is torch's clamp-then-cast over every BF16 pattern", () => {
    const codes = Uint8Array.from({ length: 65536 }, (_, bits) => encodeE4m3(bf16ToFloat(bits)));
    expect(sha256(codes)).toBe(expected.casts.clampThenCast);
  });

  it("decodes to torch's values", () => {
    const values = Float32Array.from({ length: 127 }, (_, code) => decodeE4m3(code));
    expect(sha256(bytesOf(values))).toBe(expected.casts.values);
  });

  it("agrees with the digests of the specification over BF16 and F16", () => {
    const table = (decode: (bits: number) => number) =>
      sha256(Uint8Array.from({ length: 65536 }, (_, bits) => encodeE4m3(decode(bits))));
    expect(table(bf16ToFloat)).toBe(
      "2f8096b3b00699a86e3e44c61fc0287c5111ab4b4e3d1ad604f6f3a5b3eca0db",
    );
    expect(table(f16ToFloat)).toBe(
      "0212e2599adcd3301d3bad890a053b8b41e514049b9988db67e77c2e21e464ce",
    );
  });
});
