// INT4 codes to BF16 lines with NEON: nibbles minus zero points in bytes, and the magnitude's two bytes
// from a table each.
#include "lines.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

namespace quantlab::awq {
namespace {

// Low and high bytes of the BF16 numbers 0 to 15.
struct NumberTable {
  uint8x16_t low;
  uint8x16_t high;
};

inline NumberTable numberTable() {
  std::uint8_t low[16];
  std::uint8_t high[16];
  for (std::size_t number = 0; number < 16; number++) {
    const bf16 value = floatToBf16(static_cast<float>(number));
    low[number] = static_cast<std::uint8_t>(value);
    high[number] = static_cast<std::uint8_t>(value >> 8);
  }
  return {vld1q_u8(low), vld1q_u8(high)};
}

// A group's zero points, each in the four bytes of its output.
inline void spreadZeros(const std::uint8_t* zeros, uint8x16_t (&spread)[4]) {
  alignas(16) std::uint8_t bytes[2 * kLineElements];
  for (std::size_t output = 0; output < kPanelRows; output++)
    std::memset(bytes + 4 * output, static_cast<int>(zeroOf(zeros, output)), 4);
  for (std::size_t quarter = 0; quarter < 4; quarter++)
    spread[quarter] = vld1q_u8(bytes + 16 * quarter);
}

// The numbers in even and odd bytes are those of two lines.
inline void storeTwo(uint8x16_t values, const NumberTable& table, bf16* even, bf16* odd) {
  const uint8x16_t magnitude = vreinterpretq_u8_s8(vabsq_s8(vreinterpretq_s8_u8(values)));
  const uint8x16_t low = vqtbl1q_u8(table.low, magnitude);
  const uint8x16_t sign = vandq_u8(values, vdupq_n_u8(0x80));
  const uint8x16_t high = vorrq_u8(vqtbl1q_u8(table.high, magnitude), sign);
  vst1q_u16(even, vreinterpretq_u16_u8(vtrn1q_u8(low, high)));
  vst1q_u16(odd, vreinterpretq_u16_u8(vtrn2q_u8(low, high)));
}

const bf16* lines(const Weight& weight, std::size_t panel, std::size_t firstPair, std::size_t pairs,
                  bf16* scratch) {
  const NumberTable table = numberTable();
  const uint8x16_t nibble = vdupq_n_u8(15);
  const std::size_t groupPairs = weight.groupSize / 2;
  for (std::size_t begin = firstPair; begin < firstPair + pairs; begin += groupPairs) {
    uint8x16_t zeros[4];
    spreadZeros(zerosOf(weight, panel, begin / groupPairs), zeros);
    for (std::size_t pair = begin; pair < begin + groupPairs; pair += 4) {
      const std::uint16_t* source = panelOf(weight, panel) + pair / 4 * kLineElements;
      bf16* line = scratch + (pair - firstPair) * kLineElements;
      for (std::size_t quarter = 0; quarter < 4; quarter++, line += 8) {
        const uint8x16_t codes = vreinterpretq_u8_u16(vld1q_u16(source + 8 * quarter));
        storeTwo(vsubq_u8(vandq_u8(codes, nibble), zeros[quarter]), table, line,
                 line + 2 * kLineElements);
        storeTwo(vsubq_u8(vshrq_n_u8(codes, 4), zeros[quarter]), table, line + kLineElements,
                 line + 3 * kLineElements);
      }
    }
  }
  return scratch;
}

}  // namespace

const FormatLoops neonLoops{lines, groupScales, nullptr};

}  // namespace quantlab::awq
#endif
