// The inner loops of attention with AVX2 and FMA: BF16 is widened by a shift or a mask.
#include "attention-tile.h"

#if defined(__x86_64__)
#include "../formats/fp8/decode.h"
#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

// The elements 2i (shift) and 2i + 1 (mask) of BF16 pairs, as FP32.
QUANTLAB_AVX2 inline __m256 evenOf(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}
QUANTLAB_AVX2 inline __m256 oddOf(__m256i pairs) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}

// `Rows` queries against one group of 16 keys: two sums of eight keys a row.
template <std::size_t Rows>
QUANTLAB_AVX2 void scoreRows(const bf16* const* queries, std::size_t headDim, const bf16* keys,
                             float* scores) {
  __m256 low[Rows];
  __m256 high[Rows];
  for (std::size_t row = 0; row < Rows; row++) low[row] = high[row] = _mm256_setzero_ps();
  for (std::size_t pair = 0; pair < headDim / 2; pair++) {
    const __m256i* line = reinterpret_cast<const __m256i*>(keys + pair * 32);
    const __m256i lowPairs = _mm256_loadu_si256(line);
    const __m256i highPairs = _mm256_loadu_si256(line + 1);
    const __m256 lowEven = evenOf(lowPairs);
    const __m256 lowOdd = oddOf(lowPairs);
    const __m256 highEven = evenOf(highPairs);
    const __m256 highOdd = oddOf(highPairs);
    for (std::size_t row = 0; row < Rows; row++) {
      const __m256 even = _mm256_set1_ps(bf16ToFloat(queries[row][2 * pair]));
      const __m256 odd = _mm256_set1_ps(bf16ToFloat(queries[row][2 * pair + 1]));
      low[row] = _mm256_fmadd_ps(lowOdd, odd, _mm256_fmadd_ps(lowEven, even, low[row]));
      high[row] = _mm256_fmadd_ps(highOdd, odd, _mm256_fmadd_ps(highEven, even, high[row]));
    }
  }
  for (std::size_t row = 0; row < Rows; row++) {
    _mm256_storeu_ps(scores + row * kTileKeys, low[row]);
    _mm256_storeu_ps(scores + row * kTileKeys + 8, high[row]);
  }
}

QUANTLAB_AVX2 void score(const QueryRows& queries, const KeyTile& tile, float* scores) {
  const bf16* rows[kTileRows];
  for (std::size_t row = 0; row < queries.rows; row++)
    rows[row] = queries.data + row * queries.stride;
  for (std::size_t j = 0; j < tile.groups; j++) {
    float* group = scores + 16 * j;
    std::size_t row = 0;
    for (; row + 4 <= queries.rows; row += 4)
      scoreRows<4>(rows + row, queries.headDim, tile.keys[j], group + row * kTileKeys);
    for (; row < queries.rows; row++)
      scoreRows<1>(rows + row, queries.headDim, tile.keys[j], group + row * kTileKeys);
  }
}

// Adds a line of two keys, or of its first alone, to `Rows` rows of 16 columns.
template <std::size_t Rows, bool Both>
QUANTLAB_AVX2 inline void addLine(const bf16* line, const float* weights, __m256* low, __m256* high) {
  const __m256i lowPairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line));
  const __m256i highPairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line) + 1);
  for (std::size_t row = 0; row < Rows; row++) {
    const __m256 even = _mm256_set1_ps(weights[row * kTileKeys]);
    low[row] = _mm256_fmadd_ps(even, evenOf(lowPairs), low[row]);
    high[row] = _mm256_fmadd_ps(even, evenOf(highPairs), high[row]);
  }
  if constexpr (!Both) return;
  for (std::size_t row = 0; row < Rows; row++) {
    const __m256 odd = _mm256_set1_ps(weights[row * kTileKeys + 1]);
    low[row] = _mm256_fmadd_ps(odd, oddOf(lowPairs), low[row]);
    high[row] = _mm256_fmadd_ps(odd, oddOf(highPairs), high[row]);
  }
}

// `Rows` rows, 16 columns from `first`.
template <std::size_t Rows>
QUANTLAB_AVX2 void accumulateRows(const float* weights, const float* factors, std::size_t columns,
                                  std::size_t first, const KeyTile& tile, float* sums) {
  __m256 low[Rows];
  __m256 high[Rows];
  for (std::size_t row = 0; row < Rows; row++) {
    const __m256 factor = _mm256_set1_ps(factors[row]);
    low[row] = _mm256_mul_ps(_mm256_loadu_ps(sums + row * columns + first), factor);
    high[row] = _mm256_mul_ps(_mm256_loadu_ps(sums + row * columns + first + 8), factor);
  }
  for (std::size_t j = 0; j < tile.groups; j++) {
    const bf16* line = tile.values[j] + first / 16 * KvCache::kLinePairs * kLineElements;
    const float* weight = weights + 16 * j;
    std::size_t key = 0;
    for (; key + 2 <= tile.counts[j]; key += 2, line += kLineElements)
      addLine<Rows, true>(line, weight + key, low, high);
    if (key < tile.counts[j]) addLine<Rows, false>(line, weight + key, low, high);
  }
  for (std::size_t row = 0; row < Rows; row++) {
    _mm256_storeu_ps(sums + row * columns + first, low[row]);
    _mm256_storeu_ps(sums + row * columns + first + 8, high[row]);
  }
}

QUANTLAB_AVX2 void accumulate(const float* weights, const float* factors, std::size_t rows,
                              std::size_t columns, const KeyTile& tile, float* sums) {
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

QUANTLAB_AVX2 void widen(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  fp8::widenAvx2(codes, count, lines);
}

}  // namespace

const TileLoops avx2TileLoops{{score, accumulate}, {nullptr, nullptr}, widen, nullptr, nullptr};

}  // namespace quantlab
#endif
