// Times attention over both caches: decode and prefill of the 135M and 1B head shapes.
#include "attention.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.h"
#include "cpu.h"
#include "fill.h"
#include "pool.h"
#include "probe.h"
#include "rope.h"

using namespace quantlab;

namespace {

struct Shape {
  std::size_t heads;
  std::size_t kvHeads;
  std::size_t headDim;
  std::size_t blockSize;
  KvDtype dtype;
};

// One sequence: tokens of its context, of which the last `rows` attend.
struct Part {
  std::size_t context;
  std::size_t rows;
};

KvCache cacheOf(const Shape& shape, std::size_t layers, std::size_t blocks) {
  KvCache cache{};
  cache.id = 1;
  cache.layers = layers;
  cache.blocks = blocks;
  cache.blockSize = shape.blockSize;
  cache.kvHeads = shape.kvHeads;
  cache.headDim = shape.headDim;
  cache.dtype = shape.dtype;
  cache.keyScales.assign(layers, 1);
  cache.valueScales.assign(layers, 1);
  const std::size_t chunks = layers * blocks * shape.kvHeads;
  cache.keys = Block(chunks * cache.keyChunk(), MemoryKind::kvCache);
  cache.values = Block(chunks * cache.valueChunk(), MemoryKind::kvCache);
  return cache;
}

// Turns nothing: the cache holds what is given.
RopeTable stillTable(const Shape& shape, std::size_t positions) {
  const std::size_t bytes = positions * shape.headDim / 2 * sizeof(float);
  RopeTable table{shape.headDim / 2, positions, Block(bytes, MemoryKind::buffer),
                  Block(bytes, MemoryKind::buffer)};
  const std::vector<float> frequencies(shape.headDim / 2, 0.0f);
  fillRopeTable(table, frequencies.data());
  return table;
}

std::size_t blocksOf(const Shape& shape, const Part& part) {
  return (part.context + shape.blockSize - 1) / shape.blockSize;
}

// Rows [context - rows, context) of each part, or all before them.
Batch batchOf(const Shape& shape, const std::vector<Part>& parts, bool last) {
  Batch batch;
  std::size_t total = 0;
  for (const Part& part : parts) total += blocksOf(shape, part);
  for (const Part& part : parts) {
    const std::size_t from = last ? part.context - part.rows : 0;
    const std::size_t to = last ? part.context : part.context - part.rows;
    const std::size_t firstBlock = batch.blockTables.size();
    for (std::size_t i = 0; i < blocksOf(shape, part); i++)
      batch.blockTables.push_back(static_cast<std::int32_t>(total - 1 - firstBlock - i));
    if (to == from) continue;
    batch.sequences.push_back({static_cast<std::int32_t>(batch.tokenIds.size()),
                               static_cast<std::int32_t>(to - from), static_cast<std::int32_t>(to),
                               static_cast<std::int32_t>(firstBlock)});
    for (std::size_t position = from; position < to; position++) {
      batch.tokenIds.push_back(0);
      batch.positions.push_back(static_cast<std::int32_t>(position));
      const auto block = static_cast<std::size_t>(
          batch.blockTables[firstBlock + position / shape.blockSize]);
      batch.slots.push_back(
          static_cast<std::int32_t>(block * shape.blockSize + position % shape.blockSize));
    }
  }
  return batch;
}

}  // namespace

namespace quantlab::check {

int timeAttention(int threadCount) {
  setThreads(threadCount);
  const double bandwidth = probeReadBandwidth(std::size_t{1} << 29, 5);
  const double peak = probePeakFlops(Operands::bf16, 200);
  std::printf("%s, %d threads: read %.1f GB/s, BF16 inner product %.0f GFLOP/s\n",
              cpuModel().c_str(), threadCount, bandwidth * 1e-9, peak * 1e-9);
  const std::size_t heads[][2] = {{9, 3}, {32, 8}};
  for (const auto& [queries, kvHeads] : heads) {
    for (const KvDtype dtype : {KvDtype::bf16, KvDtype::e4m3}) {
      const Shape shape{queries, kvHeads, 64, 16, dtype};
      const std::size_t columns = (queries + 2 * kvHeads) * 64;
      for (const Part part : {Part{512, 1}, Part{2048, 1}, Part{4096, 1}, Part{512, 512}, Part{2048, 2048}}) {
        const double bytes = static_cast<double>(2 * part.context * kvHeads * 64 *
                                                 (dtype == KvDtype::bf16 ? 2 : 1));
        const bool decode = part.rows == 1;
        const std::size_t layers = decode ? static_cast<std::size_t>(2e8 / bytes) + 1 : 1;
        const KvCache cache = cacheOf(shape, layers, blocksOf(shape, part));
        const RopeTable table = stillTable(shape, part.context);
        std::vector<bf16> rows(part.context * columns);
        fillNormal(rows.data(), rows.size(), 1, 0, 1);
        const Batch whole = batchOf(shape, {{part.context, part.context}}, true);
        for (std::size_t layer = 0; layer < layers; layer++)
          ropeAndCache(rows.data(), whole, table, cache, layer, queries, {});
        const Batch batch = batchOf(shape, {part}, true);
        std::vector<bf16> out(part.rows * queries * 64);
        std::vector<double> times;
        for (std::size_t i = 0; i < (decode ? std::max<std::size_t>(60, layers) : 9); i++) {
          const auto start = std::chrono::steady_clock::now();
          attention(rows.data(), batch, cache, i % layers, queries, out.data());
          times.push_back(
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        std::sort(times.begin(), times.end());
        const double n = static_cast<double>(part.context);
        const double flop = 256.0 * static_cast<double>(queries) * (decode ? n : n * (n + 1) / 2);
        const double median = times[times.size() / 2];
        const double best = times[times.size() / 10];
        std::printf("%zu/%zu %s %s %4zu: %9.1f us (best tenth %9.1f)  %5.1f GB/s %3.0f %%  %6.0f GFLOP/s %3.0f %%\n",
                    queries, kvHeads, dtype == KvDtype::bf16 ? "bf16" : "fp8 ",
                    decode ? "decode " : "prefill", part.context, median * 1e6, best * 1e6,
                    bytes / best * 1e-9, 100 * bytes / best / bandwidth, flop / best * 1e-9,
                    100 * flop / best / peak);
      }
    }
  }
  return 0;
}

}  // namespace quantlab::check
