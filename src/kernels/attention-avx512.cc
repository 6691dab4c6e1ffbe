// The inner loops of attention with AVX-512: BF16 dot products for scores, FP32 sums of values; codes are
// decoded in registers.
#include "attention-tile.h"

#if defined(__x86_64__)
#include <cstring>

#include "../formats/fp8/decode.h"
#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

// Two neighbouring lines of a group, as they lie or decoded. `kElements` of storage hold the two.
struct StoredLines {
  using Element = bf16;
  static constexpr std::size_t kElements = 2 * kLineElements;

  QUANTLAB_AVX512 void load(const bf16* at, __m512i* first, __m512i* second) const {
    *first = _mm512_loadu_si512(at);
    *second = _mm512_loadu_si512(at + kLineElements);
  }
};

struct CodedLines {
  using Element = std::uint8_t;
  static constexpr std::size_t kElements = fp8::kCodeBytes;
  fp8::Decoder tables = fp8::decoder();

  QUANTLAB_AVX512 CodedLines() {}
  QUANTLAB_AVX512 void load(const std::uint8_t* at, __m512i* first, __m512i* second) const {
    fp8::decode(tables, at, first, second);
  }
};

QUANTLAB_AVX512 inline __m512 dotPair(__m512 sum, const bf16* pair, __m512i line) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(bits), (__m512bh)line);
}

// `Rows` queries against all groups: Rows * 4 sums stay in registers. A row's arithmetic is the same
// whatever Rows is.
template <std::size_t Rows, typename Lines>
QUANTLAB_AVX512 void scoreRows(const bf16* queries, const QueryRows& all,
                               const typename Lines::Element* const* keys, float* scores) {
  const Lines lines;
  const std::size_t pairs = all.headDim / 2;
  __m512 sums[Rows][kTileGroups];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++) sums[row][j] = _mm512_setzero_ps();
  for (std::size_t at = 0; at < pairs / 2; at++) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++) {
      __m512i first;
      __m512i second;
      lines.load(keys[j] + at * Lines::kElements, &first, &second);
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++) {
        const bf16* query = queries + row * all.stride + 4 * at;
        sums[row][j] = dotPair(sums[row][j], query, first);
        sums[row][j] = dotPair(sums[row][j], query + 2, second);
      }
    }
  }
  if (pairs % 2 != 0) {
    for (std::size_t j = 0; j < kTileGroups; j++) {
      const auto* at = keys[j] + pairs / 2 * Lines::kElements;
      __m512i last;
      __m512i beyond;
      // The line beyond the last one is another group's, or nobody's memory.
      if constexpr (Lines::kElements == fp8::kCodeBytes) lines.load(at, &last, &beyond);
      else last = _mm512_loadu_si512(at);
      for (std::size_t row = 0; row < Rows; row++)
        sums[row][j] = dotPair(sums[row][j], queries + row * all.stride + 2 * (pairs - 1), last);
    }
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++)
      _mm512_storeu_ps(scores + row * kTileKeys + 16 * j, sums[row][j]);
}

template <typename Lines>
QUANTLAB_AVX512 void score(const QueryRows& queries, const TileOf<typename Lines::Element>& tile,
                           float* scores) {
  // Missing groups repeat the first one; their scores are never read.
  const typename Lines::Element* keys[kTileGroups];
  for (std::size_t j = 0; j < kTileGroups; j++) keys[j] = tile.keys[j < tile.groups ? j : 0];
  for (std::size_t row = 0; row < queries.rows; row += 4) {
    const bf16* data = queries.data + row * queries.stride;
    float* target = scores + row * kTileKeys;
    switch (queries.rows - row) {
      case 1: scoreRows<1, Lines>(data, queries, keys, target); break;
      case 2: scoreRows<2, Lines>(data, queries, keys, target); break;
      case 3: scoreRows<3, Lines>(data, queries, keys, target); break;
      default: scoreRows<4, Lines>(data, queries, keys, target);
    }
  }
}

// `Vectors` lines of a pair of keys, side by side, times the pair's weights; `Both` of the keys exist.
template <std::size_t Rows, std::size_t Vectors, bool Both>
QUANTLAB_AVX512 inline void addLines(const __m512i (&lines)[Vectors], const float* weights,
                                     __m512 (&sums)[Rows][Vectors]) {
  const __m512i oddHalf = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
#pragma GCC unroll 4
  for (std::size_t v = 0; v < Vectors; v++) {
    const __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(lines[v], 16));
#pragma GCC unroll 4
    for (std::size_t row = 0; row < Rows; row++)
      sums[row][v] = _mm512_fmadd_ps(_mm512_set1_ps(weights[row * kTileKeys]), even, sums[row][v]);
    if constexpr (Both) {
      const __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(lines[v], oddHalf));
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++)
        sums[row][v] =
            _mm512_fmadd_ps(_mm512_set1_ps(weights[row * kTileKeys + 1]), odd, sums[row][v]);
    }
  }
}

// Two pairs of keys, of which `count` keys exist (1 to 4).
template <std::size_t Rows, std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 inline void addQuad(const Lines& lines, const typename Lines::Element* at,
                                    std::size_t count, const float* weights,
                                    __m512 (&sums)[Rows][Vectors]) {
  constexpr std::size_t kColumns = KvCache::kLinePairs / 2 * Lines::kElements;
  __m512i first[Vectors];
  __m512i second[Vectors];
#pragma GCC unroll 4
  for (std::size_t v = 0; v < Vectors; v++) lines.load(at + v * kColumns, &first[v], &second[v]);
  if (count == 1) return addLines<Rows, Vectors, false>(first, weights, sums);
  addLines<Rows, Vectors, true>(first, weights, sums);
  if (count == 2) return;
  if (count == 3) return addLines<Rows, Vectors, false>(second, weights + 2, sums);
  addLines<Rows, Vectors, true>(second, weights + 2, sums);
}

template <std::size_t Rows, std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 void accumulateRows(const float* weights, const float* factors, std::size_t columns,
                                    std::size_t first, const TileOf<typename Lines::Element>& tile,
                                    float* sums) {
  const Lines lines;
  __m512 local[Rows][Vectors];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      local[row][v] = _mm512_mul_ps(_mm512_loadu_ps(sums + row * columns + first + 16 * v),
                                    _mm512_set1_ps(factors[row]));
  for (std::size_t j = 0; j < tile.groups; j++) {
    const auto* at = tile.values[j] + first / 16 * (KvCache::kLinePairs / 2) * Lines::kElements;
    const float* weight = weights + 16 * j;
    std::size_t key = 0;
    for (; key + 4 <= tile.counts[j]; key += 4, at += Lines::kElements)
      addQuad<Rows, Vectors, Lines>(lines, at, 4, weight + key, local);
    if (key < tile.counts[j])
      addQuad<Rows, Vectors, Lines>(lines, at, tile.counts[j] - key, weight + key, local);
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      _mm512_storeu_ps(sums + row * columns + first + 16 * v, local[row][v]);
}

template <std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 void accumulateColumns(const float* weights, const float* factors, std::size_t rows,
                                       std::size_t columns, std::size_t first,
                                       const TileOf<typename Lines::Element>& tile, float* sums) {
  for (std::size_t row = 0; row < rows; row += 4) {
    const float* weight = weights + row * kTileKeys;
    const float* factor = factors + row;
    float* sum = sums + row * columns;
    switch (rows - row) {
      case 1: accumulateRows<1, Vectors, Lines>(weight, factor, columns, first, tile, sum); break;
      case 2: accumulateRows<2, Vectors, Lines>(weight, factor, columns, first, tile, sum); break;
      case 3: accumulateRows<3, Vectors, Lines>(weight, factor, columns, first, tile, sum); break;
      default: accumulateRows<4, Vectors, Lines>(weight, factor, columns, first, tile, sum);
    }
  }
}

template <typename Lines>
QUANTLAB_AVX512 void accumulate(const float* weights, const float* factors, std::size_t rows,
                                std::size_t columns, const TileOf<typename Lines::Element>& tile,
                                float* sums) {
  std::size_t first = 0;
  for (; first + 64 <= columns; first += 64)
    accumulateColumns<4, Lines>(weights, factors, rows, columns, first, tile, sums);
  for (; first < columns; first += 16)
    accumulateColumns<1, Lines>(weights, factors, rows, columns, first, tile, sums);
}

QUANTLAB_AVX512 void widen(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  fp8::widenAvx512(codes, count, lines);
}

}  // namespace

const TileLoops avx512TileLoops{{score<StoredLines>, accumulate<StoredLines>},
                                {score<CodedLines>, accumulate<CodedLines>},
                                widen,
                                nullptr,
                                nullptr};

}  // namespace quantlab
#endif
