// The inner loops of attention in plain C++, and the choice among the variants.
#include "../formats/fp8/decode.h"
#include "attention-tile.h"
#include "cpu.h"

namespace quantlab {
namespace {

void scoreGroup(const bf16* query, std::size_t headDim, const bf16* keys, float* scores) {
  float lanes[16] = {};
  for (std::size_t pair = 0; pair < headDim / 2; pair++) {
    const float even = bf16ToFloat(query[2 * pair]);
    const float odd = bf16ToFloat(query[2 * pair + 1]);
    const bf16* line = keys + pair * kLineElements;
    for (std::size_t lane = 0; lane < 16; lane++)
      lanes[lane] += even * bf16ToFloat(line[2 * lane]) + odd * bf16ToFloat(line[2 * lane + 1]);
  }
  for (std::size_t lane = 0; lane < 16; lane++) scores[lane] = lanes[lane];
}

void score(const QueryRows& queries, const KeyTile& tile, float* scores) {
  for (std::size_t row = 0; row < queries.rows; row++)
    for (std::size_t j = 0; j < tile.groups; j++)
      scoreGroup(queries.data + row * queries.stride, queries.headDim, tile.keys[j],
                 scores + row * kTileKeys + 16 * j);
}

void accumulate(const float* weights, const float* factors, std::size_t rows, std::size_t columns,
                const KeyTile& tile, float* sums) {
  for (std::size_t row = 0; row < rows; row++) {
    float* sum = sums + row * columns;
    for (std::size_t d = 0; d < columns; d++) sum[d] *= factors[row];
    for (std::size_t j = 0; j < tile.groups; j++) {
      for (std::size_t key = 0; key < tile.counts[j]; key++) {
        const float weight = weights[row * kTileKeys + 16 * j + key];
        const bf16* line = tile.values[j] + key / 2 * kLineElements + key % 2;
        for (std::size_t d = 0; d < columns; d++)
          sum[d] += weight * bf16ToFloat(line[d / 16 * KvCache::kLinePairs * kLineElements + d % 16 * 2]);
      }
    }
  }
}

}  // namespace

const TileLoops portableTileLoops{
    {score, accumulate}, {nullptr, nullptr}, fp8::widenPortable, nullptr, nullptr};

const TileLoops& tileLoops([[maybe_unused]] KvDtype dtype, [[maybe_unused]] std::size_t rows) {
#if defined(__x86_64__)
  switch (activeIsa()) {
    case Isa::amx:
      return dtype == KvDtype::e4m3 && rows <= kFewRows ? avx512TileLoops : amxTileLoops;
    case Isa::avx512: return avx512TileLoops;
    case Isa::avx2: return avx2TileLoops;
    case Isa::portable:
    case Isa::neon: break;
  }
#elif defined(__aarch64__)
  if (activeIsa() == Isa::neon) return neonTileLoops;
#endif
  return portableTileLoops;
}

}  // namespace quantlab
