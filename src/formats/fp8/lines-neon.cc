// E4M3 codes with NEON: to BF16 lines, and for few rows straight to FP32 by shifts.
#include "lines.h"

#if defined(__aarch64__)
#include "decode-neon.h"

namespace quantlab::fp8 {
namespace {

constexpr std::size_t kQuarters = kPanelRows / 4;  // vectors of 4 outputs

const bf16* lines(const Weight& weight, std::size_t panel, std::size_t firstPair, std::size_t pairs,
                  bf16* scratch) {
  widenNeon(panelOf(weight, panel) + firstPair / 2 * kCodeBytes, pairs / 2, scratch);
  return scratch;
}

// Columns k and k + 1 of four outputs, a word each: the even codes' bytes are the low ones.
inline float32x4_t evenCodes(uint16x4_t words) {
  const int32x4_t sign = vshlq_n_s32(vreinterpretq_s32_u32(vshll_n_u16(words, 16)), 8);
  return vreinterpretq_f32_s32(
      vandq_s32(vshrq_n_s32(sign, 4), vdupq_n_s32(static_cast<int>(0x87f00000u))));
}

inline float32x4_t oddCodes(uint16x4_t words) {
  const int32x4_t sign = vreinterpretq_s32_u32(vshll_n_u16(words, 16));
  return vreinterpretq_f32_s32(
      vandq_s32(vshrq_n_s32(sign, 4), vdupq_n_s32(static_cast<int>(0x87f00000u))));
}

// A WideTile of `Rows` rows and `Panels` panels.
template <std::size_t Rows, std::size_t Panels>
bool tile(const FewRows& product, std::size_t panel, const float* x, float* sums) {
  const std::size_t panelBytes = product.weight.pairs / 2 * kCodeBytes;
  const std::size_t stride = 2 * product.pairs;
  const std::uint8_t* codes = codesOf(product, panel);
  const uint8x16_t magnitude = vdupq_n_u8(0x7f);
  uint8x16_t largest = vdupq_n_u8(0);
  float32x4_t local[Rows][Panels][kQuarters];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
#pragma GCC unroll 4
      for (std::size_t q = 0; q < kQuarters; q++) local[row][j][q] = vdupq_n_f32(0);
  for (std::size_t at = 0; at < product.pairs / 2; at++, codes += kCodeBytes, x += 4) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
#pragma GCC unroll 4
      for (std::size_t q = 0; q < kQuarters; q++) {
        // Of each quarter of a line: 4 words of its first pair of columns, then 4 of its second.
        const uint8x16_t bytes = vld1q_u8(codes + j * panelBytes + 16 * q);
        largest = vmaxq_u8(largest, vandq_u8(bytes, magnitude));
        const uint16x8_t words = vreinterpretq_u16_u8(bytes);
        const float32x4_t weights[4] = {
            evenCodes(vget_low_u16(words)), oddCodes(vget_low_u16(words)),
            evenCodes(vget_high_u16(words)), oddCodes(vget_high_u16(words))};
#pragma GCC unroll 4
        for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
          for (std::size_t k = 0; k < 4; k++)
            local[row][j][q] = vfmaq_n_f32(local[row][j][q], weights[k], x[row * stride + k]);
      }
    }
  }
  if (vmaxvq_u8(largest) == 0x7f) return false;
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
#pragma GCC unroll 4
      for (std::size_t q = 0; q < kQuarters; q++)
        vst1q_f32(sums + row * kQuadRows + kPanelRows * j + 4 * q,
                  vmulq_n_f32(local[row][j][q], kSumFactor));
  return true;
}

void few(const FewRows& product, float* sums) {
  // Rows times panels as in product-neon.cc.
  switch (product.rows) {
    case 1: return sumWideTiles(product, tile<1, 4>, 4, tile<1, 1>, sums);
    case 2: return sumWideTiles(product, tile<2, 2>, 2, tile<2, 1>, sums);
    case 3: return sumWideTiles(product, tile<3, 1>, 1, tile<3, 1>, sums);
    default: return sumWideTiles(product, tile<4, 1>, 1, tile<4, 1>, sums);
  }
}

}  // namespace

const FormatLoops neonLoops{lines, groupScales, few};

}  // namespace quantlab::fp8
#endif
