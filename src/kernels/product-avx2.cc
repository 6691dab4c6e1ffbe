// The inner loops of the matmul with AVX2: pairs widened by a shift and a mask, FP32 multiply-adds.
#include "product.h"

#if defined(__x86_64__)
#include <cstring>

#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

QUANTLAB_AVX2 inline __m256i broadcastPair(const bf16* pair) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm256_set1_epi32(bits);
}

QUANTLAB_AVX2 inline __m256 evenOf(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

QUANTLAB_AVX2 inline __m256 oddOf(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}

// `Rows` rows against `Panels` panels, two vectors of 8 outputs each.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 void tile(const bf16* x, std::size_t stride, const bf16* lines, std::size_t panelStride,
                        std::size_t pairs, float* sums) {
  __m256 local[Rows][Panels][2];
  for (std::size_t row = 0; row < Rows; row++)
    for (std::size_t j = 0; j < Panels; j++)
      for (std::size_t half = 0; half < 2; half++)
        local[row][j][half] = _mm256_loadu_ps(sums + row * kQuadRows + 16 * j + 8 * half);
  for (std::size_t pair = 0; pair < pairs; pair++) {
    for (std::size_t j = 0; j < Panels; j++) {
      const auto* line =
          reinterpret_cast<const __m256i*>(lines + j * panelStride + pair * kLineElements);
      const __m256i low = _mm256_loadu_si256(line);
      const __m256i high = _mm256_loadu_si256(line + 1);
      for (std::size_t row = 0; row < Rows; row++) {
        const __m256i both = broadcastPair(x + row * stride + 2 * pair);
        const __m256 even = evenOf(both);
        const __m256 odd = oddOf(both);
        __m256* sum = local[row][j];
        sum[0] = _mm256_fmadd_ps(even, evenOf(low), sum[0]);
        sum[1] = _mm256_fmadd_ps(even, evenOf(high), sum[1]);
        sum[0] = _mm256_fmadd_ps(odd, oddOf(low), sum[0]);
        sum[1] = _mm256_fmadd_ps(odd, oddOf(high), sum[1]);
      }
    }
  }
  for (std::size_t row = 0; row < Rows; row++)
    for (std::size_t j = 0; j < Panels; j++)
      for (std::size_t half = 0; half < 2; half++)
        _mm256_storeu_ps(sums + row * kQuadRows + 16 * j + 8 * half, local[row][j][half]);
}

template <std::size_t Panels>
QUANTLAB_AVX2 void rowTiles(const ProductBlock& block, std::size_t panel, float* sums) {
  const bf16* lines = block.lines + panel * block.panelStride;
  std::size_t row = 0;
  for (; row < block.rows;) {
    const bf16* x = block.x + row * block.stride;
    float* target = sums + row * kQuadRows + 16 * panel;
    const std::size_t left = block.rows - row;
    if (left >= 4 && Panels == 1) {
      tile<4, 1>(x, block.stride, lines, block.panelStride, block.pairs, target);
      row += 4;
    } else if (left >= 2) {
      tile<2, Panels>(x, block.stride, lines, block.panelStride, block.pairs, target);
      row += 2;
    } else {
      tile<1, Panels>(x, block.stride, lines, block.panelStride, block.pairs, target);
      row += 1;
    }
  }
}

QUANTLAB_AVX2 void accumulate(const ProductBlock& block, float* sums) {
  std::size_t panel = 0;
  // Four rows of one panel share its widened weights; fewer rows need two panels to cover the latency.
  if (block.rows < 4)
    for (; panel + 2 <= block.panels; panel += 2) rowTiles<2>(block, panel, sums);
  for (; panel < block.panels; panel++) rowTiles<1>(block, panel, sums);
}

}  // namespace

const ProductLoops avx2ProductLoops{accumulate, nullptr, RowLayout::rows, kFewRows, nullptr,
                                    nullptr};

}  // namespace quantlab
#endif
