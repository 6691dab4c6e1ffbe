// RoPE into the paged cache and attention over it against FP64, in both kinds of cache.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../../src/formats/fp8/e4m3.h"
#include "attention.h"
#include "check.h"
#include "cpu.h"
#include "rope.h"

namespace quantlab::check {
namespace {

struct Shape {
  std::size_t heads;
  std::size_t kvHeads;
  std::size_t headDim;
  std::size_t blockSize;
  KvDtype dtype;
};

constexpr float kKeyScale = 0.01f;
constexpr float kValueScale = 0.02f;
// The layer under test lies between two others.
constexpr std::size_t kLayers = 3;
constexpr std::size_t kLayer = 1;

KvCache cacheOf(const Shape& shape, std::size_t blocks) {
  KvCache cache{};
  cache.id = 1;
  cache.layers = kLayers;
  cache.blocks = blocks;
  cache.blockSize = shape.blockSize;
  cache.kvHeads = shape.kvHeads;
  cache.headDim = shape.headDim;
  cache.dtype = shape.dtype;
  cache.keyScales.assign(kLayers, shape.dtype == KvDtype::bf16 ? 1.0f : kKeyScale);
  cache.valueScales.assign(kLayers, shape.dtype == KvDtype::bf16 ? 1.0f : kValueScale);
  const std::size_t chunks = kLayers * blocks * shape.kvHeads;
  cache.keys = Block(chunks * cache.keyChunk(), MemoryKind::kvCache);
  cache.values = Block(chunks * cache.valueChunk(), MemoryKind::kvCache);
  // What nobody wrote is NaN in both kinds.
  std::memset(cache.keys.as<void>(), 0xff, cache.keys.bytes());
  std::memset(cache.values.as<void>(), 0xff, cache.values.bytes());
  return cache;
}

// The last `rows` of `context` tokens of one sequence, whose blocks lie in falling order.
Batch batchOf(const Shape& shape, std::size_t first, std::size_t context) {
  Batch batch;
  const std::size_t blocks = (context + shape.blockSize - 1) / shape.blockSize;
  for (std::size_t i = 0; i < blocks; i++)
    batch.blockTables.push_back(static_cast<std::int32_t>(blocks - 1 - i));
  for (std::size_t position = first; position < context; position++) {
    const auto block = static_cast<std::size_t>(batch.blockTables[position / shape.blockSize]);
    batch.tokenIds.push_back(0);
    batch.positions.push_back(static_cast<std::int32_t>(position));
    batch.slots.push_back(
        static_cast<std::int32_t>(block * shape.blockSize + position % shape.blockSize));
  }
  batch.sequences.push_back({0, static_cast<std::int32_t>(context - first),
                             static_cast<std::int32_t>(context), 0});
  return batch;
}

double stored(bf16 value, const Shape& shape, float scale) {
  if (shape.dtype == KvDtype::bf16) return bf16ToFloat(value);
  return static_cast<double>(bf16ToFloat(roundToE4m3(bf16ToFloat(value) / scale))) * scale;
}

// Largest error of one head's row over what FP32 sums and the result in BF16 may err by.
double rowError(const Shape& shape, const std::vector<bf16>& qkv, std::size_t position,
                std::size_t head, const bf16* out) {
  const std::size_t headDim = shape.headDim;
  const std::size_t columns = (shape.heads + 2 * shape.kvHeads) * headDim;
  const std::size_t kvHead = head / (shape.heads / shape.kvHeads);
  const bf16* query = qkv.data() + position * columns + head * headDim;
  std::vector<double> weights(position + 1);
  double top = -1e300;
  double largest = 0;
  for (std::size_t key = 0; key <= position; key++) {
    const bf16* k = qkv.data() + key * columns + (shape.heads + kvHead) * headDim;
    double sum = 0;
    double magnitude = 0;
    for (std::size_t d = 0; d < headDim; d++) {
      const double product = bf16ToFloat(query[d]) * stored(k[d], shape, kKeyScale);
      sum += product;
      magnitude += std::fabs(product);
    }
    weights[key] = sum / std::sqrt(static_cast<double>(headDim));
    top = std::max(top, weights[key]);
    largest = std::max(largest, magnitude);
  }
  double total = 0;
  for (double& weight : weights) total += weight = std::exp(weight - top);
  const double scoreError = static_cast<double>(headDim + 8) * 0x1p-24 * largest /
                            std::sqrt(static_cast<double>(headDim));
  // These take the weights in BF16.
  const double relative = 2 * scoreError + static_cast<double>(position + 65) * 0x1p-24 +
                          (activeIsa() == Isa::amx || activeIsa() == Isa::avx512 ? 0x1p-8 : 0);
  double worst = 0;
  for (std::size_t d = 0; d < headDim; d++) {
    double sum = 0;
    double magnitude = 0;
    for (std::size_t key = 0; key <= position; key++) {
      const bf16* v = qkv.data() + key * columns +
                      (shape.heads + shape.kvHeads + kvHead) * headDim;
      const double product = weights[key] / total * stored(v[d], shape, kValueScale);
      sum += product;
      magnitude += std::fabs(product);
    }
    const double bound = relative * magnitude + 0x1p-8 * std::fabs(sum) + 1e-30;
    const double error = std::fabs(bf16ToFloat(out[d]) - sum);
    worst = std::max(worst, error <= bound ? error / bound : std::max(1.001, error / bound));
    if (std::isnan(error)) worst = 1e9;
  }
  return worst;
}

double worstError(const Shape& shape, std::size_t context, std::size_t rows) {
  const std::size_t columns = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
  const std::vector<bf16> qkv = samples(context * columns, context + shape.headDim, 1.5);
  const KvCache cache = cacheOf(shape, (context + shape.blockSize - 1) / shape.blockSize);
  RopeTable table{shape.headDim / 2, context, {}, {}};
  table.cosines = Block(context * table.half * sizeof(float), MemoryKind::buffer);
  table.sines = Block(context * table.half * sizeof(float), MemoryKind::buffer);
  // Zero frequencies: nothing turns, and the cache holds what is given.
  fillRopeTable(table, std::vector<float>(table.half).data());
  std::vector<bf16> all = qkv;
  const Batch whole = batchOf(shape, 0, context);
  ropeAndCache(all.data(), whole, table, cache, kLayer, shape.heads, {});
  std::vector<bf16> others(qkv.size());
  for (std::size_t layer = 0; layer < kLayers; layer++)
    if (layer != kLayer) ropeAndCache(others.data(), whole, table, cache, layer, shape.heads, {});
  const std::size_t first = context - rows;
  std::vector<bf16> out(rows * shape.heads * shape.headDim);
  attention(all.data() + first * columns, batchOf(shape, first, context), cache, kLayer, shape.heads,
            out.data());
  double worst = 0;
  for (std::size_t row = 0; row < rows; row++)
    for (std::size_t head = 0; head < shape.heads; head++)
      worst = std::max(worst, rowError(shape, qkv, first + row, head,
                                       out.data() + (row * shape.heads + head) * shape.headDim));
  return worst;
}

}  // namespace

int checkAttention() {
  int failures = 0;
  for (const KvDtype dtype : {KvDtype::bf16, KvDtype::e4m3}) {
    const char* name = dtype == KvDtype::bf16 ? "bf16" : "fp8";
    double worst = 0;
    const auto one = [&](Shape shape, std::size_t context, std::size_t rows) {
      shape.dtype = dtype;
      const double error = worstError(shape, context, std::min(rows, context));
      worst = std::max(worst, error);
      if (!(error <= 1)) {
        failures++;
        std::printf("FAILED attention, %s cache, %zu heads on %zu of %zu, blocks of %zu, context %zu, "
                    "%zu rows: error %.3g of the bound\n",
                    name, shape.heads, shape.kvHeads, shape.headDim, shape.blockSize, context, rows,
                    error);
      }
    };
    for (std::size_t length = 1; length <= 129; length++) {
      one({2, 1, 32, 16, dtype}, length, 1 + length % 4);
      one({1, 1, 2 * length, 16, dtype}, 19, 2);
    }
    for (std::size_t rows : {1, 3, 17, 70}) {
      one({6, 2, 64, 7, dtype}, 70, rows);
      one({4, 4, 80, 32, dtype}, 70, rows);
    }
    one({8, 1, 64, 16, dtype}, 700, 2);
    std::printf("attention, %s cache: largest error %.3f of the bound\n", name, worst);
  }
  return failures;
}

}  // namespace quantlab::check
