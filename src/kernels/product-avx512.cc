// The inner loops of the matmul with AVX-512: BF16 dot products, 16 outputs of a panel side by side.
#include "product.h"

#if defined(__x86_64__)
#include <cstring>

#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

constexpr std::size_t kCacheLine = 64;

QUANTLAB_AVX512 inline __m512i broadcastPair(const bf16* pair) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm512_set1_epi32(bits);
}

// 6 rows against 4 panels keep 24 sums, 4 lines and a pair of x in the 32 registers.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 void tile(const bf16* x, std::size_t stride, const bf16* lines,
                          std::size_t panelStride, std::size_t pairs, const NextCodes& next,
                          float* sums) {
  const std::uint8_t* codes = next.codes;
  __m512 local[Rows][Panels];
#pragma GCC unroll 6
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      local[row][j] = _mm512_loadu_ps(sums + row * kQuadRows + 16 * j);
  std::size_t fetchAt = next.codes == nullptr ? pairs : 0;
  for (std::size_t pair = 0; pair < pairs; pair++) {
    if (pair == fetchAt) {
#pragma GCC unroll 4
      for (std::size_t j = 0; j < Panels; j++) __builtin_prefetch(codes + j * next.panelBytes);
      codes += kCacheLine;
      fetchAt += next.pairsPerLine;
    }
    __m512i line[Panels];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      line[j] = _mm512_loadu_si512(lines + j * panelStride + pair * kLineElements);
#pragma GCC unroll 6
    for (std::size_t row = 0; row < Rows; row++) {
      const __m512i both = broadcastPair(x + row * stride + 2 * pair);
#pragma GCC unroll 4
      for (std::size_t j = 0; j < Panels; j++)
        local[row][j] = _mm512_dpbf16_ps(local[row][j], (__m512bh)both, (__m512bh)line[j]);
    }
  }
#pragma GCC unroll 6
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      _mm512_storeu_ps(sums + row * kQuadRows + 16 * j, local[row][j]);
}

template <std::size_t Panels>
QUANTLAB_AVX512 void rowTiles(const ProductBlock& block, std::size_t panel, float* sums) {
  const bf16* lines = block.lines + panel * block.panelStride;
  const bf16* x = block.x;
  float* target = sums + 16 * panel;
  // The first rows alone fetch, and not lines in place: the processor follows those by itself.
  NextCodes next = block.next.pairsPerLine > 1 ? block.next : NextCodes{};
  if (next.codes != nullptr) next.codes += panel * next.panelBytes;
  auto call = [&](auto loop, std::size_t rows) {
    loop(x, block.stride, lines, block.panelStride, block.pairs, next, target);
    next = {};
    x += rows * block.stride;
    target += rows * kQuadRows;
  };
  std::size_t left = block.rows;
  for (; left >= 6; left -= 6) call(tile<6, Panels>, 6);
  switch (left) {
    case 5: return call(tile<5, Panels>, 5);
    case 4: return call(tile<4, Panels>, 4);
    case 3: return call(tile<3, Panels>, 3);
    case 2: return call(tile<2, Panels>, 2);
    case 1: return call(tile<1, Panels>, 1);
    default: return;
  }
}

QUANTLAB_AVX512 void accumulate(const ProductBlock& block, float* sums) {
  if (block.panels == kQuadPanels) return rowTiles<kQuadPanels>(block, 0, sums);
  for (std::size_t panel = 0; panel < block.panels; panel++)
    rowTiles<1>(block, panel, sums);
}

}  // namespace

const ProductLoops avx512ProductLoops{accumulate, nullptr, RowLayout::rows, kFewRows, nullptr,
                                      nullptr};

}  // namespace quantlab
#endif
