// A GGUF file in BF16 with random weights in the shape of a quantlab dummy model, and a made-up vocabulary.
// Usage: node bench/peers/make-gguf.mjs SHAPE FILE     (Llama-family shapes; `llama-quantize` makes the rest)
import { closeSync, openSync, writeSync } from "node:fs";
import { shapeConfig } from "../../dist/checkpoint/shapes.js";

const [name, path] = process.argv.slice(2);
const config = shapeConfig(name);

const types = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 };
const tensorTypes = { f32: 0, bf16: 30 };
const alignment = 32;
const fileTypeBf16 = 32;
const normalToken = 1;

function bytesOf(length, fill) {
  const buffer = Buffer.alloc(length);
  fill(buffer);
  return buffer;
}
const u32 = (value) => bytesOf(4, (b) => b.writeUInt32LE(value));
const u64 = (value) => bytesOf(8, (b) => b.writeBigUInt64LE(BigInt(value)));
const f32 = (value) => bytesOf(4, (b) => b.writeFloatLE(value));
function string(text) {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}
const encoders = { u32, f32, string, i32: u32 };

const scalar = (key, type, value) =>
  Buffer.concat([string(key), u32(types[type]), encoders[type](value)]);
const list = (key, type, values) =>
  Buffer.concat([
    ...[string(key), u32(types.array), u32(types[type]), u64(values.length)],
    ...values.map(encoders[type]),
  ]);

/** The 256 byte characters of GPT-2's alphabet first, then names that no text holds. */
function vocabulary(size) {
  const printable = [
    [33, 127],
    [161, 173],
    [174, 256],
  ].flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i));
  const others = 256 - printable.length;
  const bytes = [...printable, ...Array.from({ length: others }, (_, i) => 256 + i)];
  const named = Array.from({ length: size - 256 }, (_, i) => `<t${256 + i}>`);
  return [...bytes.map((code) => String.fromCodePoint(code)), ...named];
}

function metadata() {
  const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize } = config;
  return [
    scalar("general.architecture", "string", "llama"),
    scalar("general.name", "string", `random ${name}`),
    scalar("general.file_type", "u32", fileTypeBf16),
    scalar("llama.vocab_size", "u32", vocabSize),
    scalar("llama.context_length", "u32", config.maxPositions),
    scalar("llama.embedding_length", "u32", hiddenSize),
    scalar("llama.block_count", "u32", layers),
    scalar("llama.feed_forward_length", "u32", intermediateSize),
    scalar("llama.attention.head_count", "u32", heads),
    scalar("llama.attention.head_count_kv", "u32", kvHeads),
    scalar("llama.attention.key_length", "u32", headDim),
    scalar("llama.attention.value_length", "u32", headDim),
    scalar("llama.rope.dimension_count", "u32", headDim),
    scalar("llama.rope.freq_base", "f32", config.ropeTheta),
    scalar("llama.attention.layer_norm_rms_epsilon", "f32", config.rmsNormEps),
    scalar("tokenizer.ggml.model", "string", "gpt2"),
    scalar("tokenizer.ggml.pre", "string", "default"),
    list("tokenizer.ggml.tokens", "string", vocabulary(vocabSize)),
    list("tokenizer.ggml.token_type", "i32", new Array(vocabSize).fill(normalToken)),
    list("tokenizer.ggml.merges", "string", ["a b"]),
    scalar("tokenizer.ggml.bos_token_id", "u32", config.bosTokenId),
    scalar("tokenizer.ggml.eos_token_id", "u32", config.eosTokenIds[0]),
  ];
}

/** Name, rows and columns of every matrix; norms have one row and are FP32 ones, as llama.cpp wants them. */
function tensors() {
  const { hiddenSize: hidden, intermediateSize: inner, layers, vocabSize } = config;
  const queries = config.heads * config.headDim;
  const keys = config.kvHeads * config.headDim;
  const matrix = (label, rows, columns) => ({ name: `${label}.weight`, rows, columns });
  const norm = (label) => ({ name: `${label}.weight`, rows: 1, columns: hidden, norm: true });
  const blocks = Array.from({ length: layers }, (_, i) => [
    norm(`blk.${i}.attn_norm`),
    matrix(`blk.${i}.attn_q`, queries, hidden),
    matrix(`blk.${i}.attn_k`, keys, hidden),
    matrix(`blk.${i}.attn_v`, keys, hidden),
    matrix(`blk.${i}.attn_output`, hidden, queries),
    norm(`blk.${i}.ffn_norm`),
    matrix(`blk.${i}.ffn_gate`, inner, hidden),
    matrix(`blk.${i}.ffn_up`, inner, hidden),
    matrix(`blk.${i}.ffn_down`, hidden, inner),
  ]);
  const output = config.tieWordEmbeddings ? [] : [matrix("output", vocabSize, hidden)];
  return [
    matrix("token_embd", vocabSize, hidden),
    ...output,
    norm("output_norm"),
    ...blocks.flat(),
  ];
}

const aligned = (bytes) => Math.ceil(bytes / alignment) * alignment;
const byteLength = ({ rows, columns, norm }) => rows * columns * (norm ? 4 : 2);

function headerOf(all) {
  let offset = 0;
  const infos = all.map((tensor) => {
    const dims = tensor.norm ? [tensor.columns] : [tensor.columns, tensor.rows];
    const info = Buffer.concat([
      ...[string(tensor.name), u32(dims.length), ...dims.map(u64)],
      ...[u32(tensor.norm ? tensorTypes.f32 : tensorTypes.bf16), u64(offset)],
    ]);
    offset += aligned(byteLength(tensor));
    return info;
  });
  const facts = metadata();
  const head = Buffer.concat([
    ...[Buffer.from("GGUF"), u32(3), u64(all.length), u64(facts.length), ...facts, ...infos],
  ]);
  return Buffer.concat([head, Buffer.alloc(aligned(head.length) - head.length)]);
}

/** 65,536 equally likely values of N(0, 0.02^2) as BF16 bits: drawing from them needs no arithmetic. */
function normalBits() {
  const count = 65_536;
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  return Uint16Array.from({ length: count }, (_, i) => {
    float[0] = 0.02 * normalQuantile((i + 0.5) / count);
    const [word] = bits;
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  });
}

/** Inverse of the normal distribution, within 0.0005 (Abramowitz and Stegun 26.2.23). */
function normalQuantile(p) {
  const tail = Math.min(p, 1 - p);
  const t = Math.sqrt(-2 * Math.log(tail));
  const above =
    t -
    (2.515517 + t * (0.802853 + t * 0.010328)) /
      (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return p < 0.5 ? -above : above;
}

function writeFile(file) {
  const all = tensors();
  writeSync(file, headerOf(all));
  const bits = normalBits();
  const chunk = new Uint16Array(1 << 23);
  let state = 0x9e3779b9;
  for (const tensor of all) {
    const length = byteLength(tensor);
    if (tensor.norm) writeSync(file, new Float32Array(tensor.columns).fill(1));
    else {
      for (let left = length / 2; left > 0; left -= chunk.length) {
        const size = Math.min(left, chunk.length);
        for (let i = 0; i < size; i += 2) {
          state ^= state << 13;
          state ^= state >>> 17;
          state ^= state << 5;
          chunk[i] = bits[state & 0xffff];
          chunk[i + 1] = bits[state >>> 16];
        }
        writeAll(file, Buffer.from(chunk.buffer, 0, 2 * size));
      }
    }
    writeSync(file, Buffer.alloc(aligned(length) - length));
  }
}

function writeAll(file, buffer) {
  for (let at = 0; at < buffer.length; ) at += writeSync(file, buffer, at);
}

const file = openSync(path, "w");
writeFile(file);
closeSync(file);
