// The inner loops of attention with NEON: BF16 is widened by a shift or a mask.
#include "attention-tile.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "../formats/fp8/decode-neon.h"

namespace quantlab {
namespace {

constexpr std::size_t kQuarters = 4;  // vectors of 4 keys of a group, or of 4 of 16 columns

struct Pairs {
  float32x4_t even;
  float32x4_t odd;
};

// Four pairs of BF16 numbers as FP32.
inline Pairs widenPairs(const bf16* pairs) {
  const uint32x4_t bits = vreinterpretq_u32_u16(vld1q_u16(pairs));
  return {vreinterpretq_f32_u32(vshlq_n_u32(bits, 16)),
          vreinterpretq_f32_u32(vandq_u32(bits, vdupq_n_u32(0xffff0000u)))};
}

// `Rows` queries against one group of 16 keys. A row's arithmetic is the same whatever Rows is.
template <std::size_t Rows>
void scoreRows(const QueryRows& queries, std::size_t row, const bf16* keys, float* scores) {
  const bf16* query = queries.data + row * queries.stride;
  float32x4_t sums[Rows][kQuarters];
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQuarters; q++) sums[r][q] = vdupq_n_f32(0);
  for (std::size_t pair = 0; pair < queries.headDim / 2; pair++, keys += kLineElements) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQuarters; q++) {
      const Pairs line = widenPairs(keys + 8 * q);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; r++) {
        const bf16* at = query + r * queries.stride + 2 * pair;
        sums[r][q] = vfmaq_n_f32(vfmaq_n_f32(sums[r][q], line.even, bf16ToFloat(at[0])), line.odd,
                                 bf16ToFloat(at[1]));
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQuarters; q++)
      vst1q_f32(scores + (row + r) * kTileKeys + 4 * q, sums[r][q]);
}

void score(const QueryRows& queries, const KeyTile& tile, float* scores) {
  for (std::size_t j = 0; j < tile.groups; j++) {
    std::size_t row = 0;
    for (; row + 4 <= queries.rows; row += 4)
      scoreRows<4>(queries, row, tile.keys[j], scores + 16 * j);
    for (; row < queries.rows; row++) scoreRows<1>(queries, row, tile.keys[j], scores + 16 * j);
  }
}

// Adds a line of two keys, or of its first alone, to `Rows` rows of 16 columns.
template <std::size_t Rows, bool Both>
inline void addLine(const bf16* line, const float* weights, float32x4_t (&sums)[Rows][kQuarters]) {
#pragma GCC unroll 4
  for (std::size_t q = 0; q < kQuarters; q++) {
    const Pairs values = widenPairs(line + 8 * q);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; r++) {
      sums[r][q] = vfmaq_n_f32(sums[r][q], values.even, weights[r * kTileKeys]);
      if constexpr (Both) sums[r][q] = vfmaq_n_f32(sums[r][q], values.odd, weights[r * kTileKeys + 1]);
    }
  }
}

// `Rows` rows, 16 columns from `first`.
template <std::size_t Rows>
void accumulateRows(const float* weights, const float* factors, std::size_t columns,
                    std::size_t first, const KeyTile& tile, float* sums) {
  float32x4_t local[Rows][kQuarters];
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQuarters; q++)
      local[r][q] = vmulq_n_f32(vld1q_f32(sums + r * columns + first + 4 * q), factors[r]);
  for (std::size_t j = 0; j < tile.groups; j++) {
    const bf16* line = tile.values[j] + first / 16 * KvCache::kLinePairs * kLineElements;
    const float* weight = weights + 16 * j;
    std::size_t key = 0;
    for (; key + 2 <= tile.counts[j]; key += 2, line += kLineElements)
      addLine<Rows, true>(line, weight + key, local);
    if (key < tile.counts[j]) addLine<Rows, false>(line, weight + key, local);
  }
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQuarters; q++)
      vst1q_f32(sums + r * columns + first + 4 * q, local[r][q]);
}

void accumulate(const float* weights, const float* factors, std::size_t rows, std::size_t columns,
                const KeyTile& tile, float* sums) {
  for (std::size_t first = 0; first < columns; first += 16) {
    std::size_t row = 0;
    for (; row + 4 <= rows; row += 4)
      accumulateRows<4>(weights + row * kTileKeys, factors + row, columns, first, tile,
                        sums + row * columns);
    for (; row < rows; row++)
      accumulateRows<1>(weights + row * kTileKeys, factors + row, columns, first, tile,
                        sums + row * columns);
  }
}

}  // namespace

const TileLoops neonTileLoops{
    {score, accumulate}, {nullptr, nullptr}, fp8::widenNeon, nullptr, nullptr};

}  // namespace quantlab
#endif
