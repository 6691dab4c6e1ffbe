// The inner loops of attention with AVX-512: BF16 dot products for scores, FP32 sums of values.
#include "attention-tile.h"

#if defined(__x86_64__)
#include <cstring>

#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

QUANTLAB_AVX512 inline __m512i broadcastPair(const bf16* pair) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm512_set1_epi32(bits);
}

// `Rows` queries against all groups: Rows * 4 sums stay in registers. A row's arithmetic is the same
// whatever Rows is.
template <std::size_t Rows>
QUANTLAB_AVX512 void scoreRows(const bf16* const* queries, std::size_t headDim,
                               const bf16* const* keys, float* scores) {
  __m512 sums[Rows][kTileGroups];
  for (std::size_t row = 0; row < Rows; row++)
    for (std::size_t j = 0; j < kTileGroups; j++) sums[row][j] = _mm512_setzero_ps();
  for (std::size_t pair = 0; pair < headDim / 2; pair++) {
    __m512i lines[kTileGroups];
    for (std::size_t j = 0; j < kTileGroups; j++) lines[j] = _mm512_loadu_si512(keys[j] + pair * 32);
    for (std::size_t row = 0; row < Rows; row++) {
      const __m512i query = broadcastPair(queries[row] + 2 * pair);
      for (std::size_t j = 0; j < kTileGroups; j++)
        sums[row][j] = _mm512_dpbf16_ps(sums[row][j], (__m512bh)query, (__m512bh)lines[j]);
    }
  }
  for (std::size_t row = 0; row < Rows; row++)
    for (std::size_t j = 0; j < kTileGroups; j++)
      _mm512_storeu_ps(scores + row * kTileKeys + 16 * j, sums[row][j]);
}

QUANTLAB_AVX512 void score(const bf16* const* queries, std::size_t rows, std::size_t headDim,
                           const KeyTile& tile, float* scores) {
  // Missing groups repeat the first one; their scores are never read.
  const bf16* keys[kTileGroups];
  for (std::size_t j = 0; j < kTileGroups; j++) keys[j] = tile.keys[j < tile.groups ? j : 0];
  std::size_t row = 0;
  for (; row + 4 <= rows; row += 4)
    scoreRows<4>(queries + row, headDim, keys, scores + row * kTileKeys);
  switch (rows - row) {
    case 3: return scoreRows<3>(queries + row, headDim, keys, scores + row * kTileKeys);
    case 2: return scoreRows<2>(queries + row, headDim, keys, scores + row * kTileKeys);
    case 1: return scoreRows<1>(queries + row, headDim, keys, scores + row * kTileKeys);
    default: return;
  }
}

template <std::size_t Rows, std::size_t Vectors>
QUANTLAB_AVX512 void accumulateRows(const float* weights, const float* factors, std::size_t columns,
                                    std::size_t first, const KeyTile& tile, float* sums) {
  __m512 local[Rows][Vectors];
  for (std::size_t row = 0; row < Rows; row++)
    for (std::size_t v = 0; v < Vectors; v++)
      local[row][v] = _mm512_mul_ps(_mm512_loadu_ps(sums + row * columns + first + 16 * v),
                                    _mm512_set1_ps(factors[row]));
  for (std::size_t j = 0; j < tile.groups; j++) {
    const bf16* value = tile.values[j] + first;
    const float* weight = weights + 16 * j;
    for (std::size_t key = 0; key < tile.counts[j]; key++, value += columns, weight++) {
      __m512 wide[Vectors];
      for (std::size_t v = 0; v < Vectors; v++)
        wide[v] = _mm512_castsi512_ps(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(value + 16 * v))),
            16));
      for (std::size_t row = 0; row < Rows; row++)
        for (std::size_t v = 0; v < Vectors; v++)
          local[row][v] =
              _mm512_fmadd_ps(_mm512_set1_ps(weight[row * kTileKeys]), wide[v], local[row][v]);
    }
  }
  for (std::size_t row = 0; row < Rows; row++)
    for (std::size_t v = 0; v < Vectors; v++)
      _mm512_storeu_ps(sums + row * columns + first + 16 * v, local[row][v]);
}

template <std::size_t Vectors>
QUANTLAB_AVX512 void accumulateColumns(const float* weights, const float* factors, std::size_t rows,
                                       std::size_t columns, std::size_t first, const KeyTile& tile,
                                       float* sums) {
  std::size_t row = 0;
  for (; row + 4 <= rows; row += 4)
    accumulateRows<4, Vectors>(weights + row * kTileKeys, factors + row, columns, first, tile,
                               sums + row * columns);
  const float* weight = weights + row * kTileKeys;
  float* sum = sums + row * columns;
  switch (rows - row) {
    case 3: return accumulateRows<3, Vectors>(weight, factors + row, columns, first, tile, sum);
    case 2: return accumulateRows<2, Vectors>(weight, factors + row, columns, first, tile, sum);
    case 1: return accumulateRows<1, Vectors>(weight, factors + row, columns, first, tile, sum);
    default: return;
  }
}

QUANTLAB_AVX512 void accumulate(const float* weights, const float* factors, std::size_t rows,
                                std::size_t columns, const KeyTile& tile, float* sums) {
  std::size_t first = 0;
  for (; first + 64 <= columns; first += 64)
    accumulateColumns<4>(weights, factors, rows, columns, first, tile, sums);
  for (; first < columns; first += 16)
    accumulateColumns<1>(weights, factors, rows, columns, first, tile, sums);
}

}  // namespace

const TileLoops avx512TileLoops{score, accumulate};

}  // namespace quantlab
#endif
