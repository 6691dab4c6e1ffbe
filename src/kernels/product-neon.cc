// The inner loops of the matmul with NEON: pairs widened by a shift and a mask, FP32 multiply-adds.
#include "product.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

namespace quantlab {
namespace {

constexpr std::size_t kQuarters = kPanelRows / 4;  // vectors of 4 outputs

inline float32x4_t evenOf(uint32x4_t pairs) { return vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)); }

inline float32x4_t oddOf(uint32x4_t pairs) {
  return vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000u)));
}

inline uint32x4_t broadcastPair(const bf16* pair) {
  std::uint32_t bits;
  std::memcpy(&bits, pair, 4);
  return vdupq_n_u32(bits);
}

// Rows times panels is 4: 16 sums, the rows' pairs and a quarter of a line fit the 32 registers, and
// the sums cover the latency of a multiply-add.
template <std::size_t Rows, std::size_t Panels>
void tile(const bf16* x, std::size_t stride, const bf16* lines, std::size_t panelStride,
          std::size_t pairs, float* sums) {
  float32x4_t local[Rows][Panels][kQuarters];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
#pragma GCC unroll 4
      for (std::size_t q = 0; q < kQuarters; q++)
        local[row][j][q] = vld1q_f32(sums + row * kQuadRows + kPanelRows * j + 4 * q);
  for (std::size_t pair = 0; pair < pairs; pair++) {
    float32x4_t even[Rows];
    float32x4_t odd[Rows];
#pragma GCC unroll 4
    for (std::size_t row = 0; row < Rows; row++) {
      const uint32x4_t both = broadcastPair(x + row * stride + 2 * pair);
      even[row] = evenOf(both);
      odd[row] = oddOf(both);
    }
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
      const bf16* line = lines + j * panelStride + pair * kLineElements;
#pragma GCC unroll 4
      for (std::size_t q = 0; q < kQuarters; q++) {
        const uint32x4_t weights = vreinterpretq_u32_u16(vld1q_u16(line + 8 * q));
        const float32x4_t evenWeights = evenOf(weights);
        const float32x4_t oddWeights = oddOf(weights);
#pragma GCC unroll 4
        for (std::size_t row = 0; row < Rows; row++) {
          float32x4_t& sum = local[row][j][q];
          sum = vfmaq_f32(vfmaq_f32(sum, even[row], evenWeights), odd[row], oddWeights);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
#pragma GCC unroll 4
      for (std::size_t q = 0; q < kQuarters; q++)
        vst1q_f32(sums + row * kQuadRows + kPanelRows * j + 4 * q, local[row][j][q]);
}

template <std::size_t Rows, std::size_t Panels>
void panelTiles(const ProductBlock& block, std::size_t row, float* sums) {
  const bf16* x = block.x + row * block.stride;
  std::size_t panel = 0;
  const auto next = [&](auto loop, std::size_t panels) {
    loop(x, block.stride, block.lines + panel * block.panelStride, block.panelStride, block.pairs,
         sums + row * kQuadRows + kPanelRows * panel);
    panel += panels;
  };
  while (panel + Panels <= block.panels) next(tile<Rows, Panels>, Panels);
  while (panel < block.panels) next(tile<Rows, 1>, 1);
}

void accumulate(const ProductBlock& block, float* sums) {
  std::size_t row = 0;
  for (; row + 4 <= block.rows; row += 4) panelTiles<4, 1>(block, row, sums);
  switch (block.rows - row) {
    case 3: return panelTiles<3, 1>(block, row, sums);
    case 2: return panelTiles<2, 2>(block, row, sums);
    case 1: return panelTiles<1, 4>(block, row, sums);
    default: return;
  }
}

}  // namespace

const ProductLoops neonProductLoops{accumulate, nullptr, RowLayout::rows, kFewRows, nullptr,
                                    nullptr};

}  // namespace quantlab
#endif
