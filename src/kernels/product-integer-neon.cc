// Products in whole numbers with NEON: signed bytes multiplied into 16 bits, pairs of these added into 32.
#include "product-integer.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

namespace quantlab {
namespace {

constexpr std::size_t kQuarterLine = kByteLine / 4;  // 4 outputs
// Lines of nibbles until sums of 16 bits could overflow: 4 * 2 products of at most 15 * 127 would leave room for
// more, but this many make the smallest group.
constexpr std::size_t kNarrowLines = 4;
static_assert(kNarrowLines * 2 * 15 * 127 < 32768);

inline int8x16_t fourDigits(const std::int8_t* digits) {
  std::int32_t bits;
  std::memcpy(&bits, digits, kStepColumns);
  return vreinterpretq_s8_s32(vdupq_n_s32(bits));
}

// Sums of one digit for 4 outputs: lanes are outputs and their columns, in two halves.
struct Narrow {
  int16x8_t low;
  int16x8_t high;

  void add(int8x16_t codes, int8x16_t digits) {
    low = vmlal_s8(low, vget_low_s8(codes), vget_low_s8(digits));
    high = vmlal_high_s8(high, codes, digits);
  }
};

struct Wide {
  int32x4_t low;
  int32x4_t high;

  void add(const Narrow& sums) {
    low = vpadalq_s16(low, sums.low);
    high = vpadalq_s16(high, sums.high);
  }
  int32x4_t outputs() const { return vpaddq_s32(low, high); }
};

constexpr std::size_t kDigits = 2;

// Lines of one quarter of a panel against `Rows` rows.
template <std::size_t Rows>
inline void addLines(const std::uint8_t* line, const std::int8_t* x, std::size_t stride,
                     Wide (&sums)[Rows][kDigits]) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  Narrow narrow[Rows][kDigits] = {};
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kNarrowLines; i++, line += kByteLine, x += kNibbleDigits) {
    const uint8x16_t both = vld1q_u8(line);
    const int8x16_t first = vreinterpretq_s8_u8(vandq_u8(both, nibble));
    const int8x16_t second = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
#pragma GCC unroll 2
    for (std::size_t r = 0; r < Rows; r++) {
#pragma GCC unroll 2
      for (std::size_t d = 0; d < kDigits; d++) {
        const std::int8_t* digits = x + r * stride + d * kStepColumns;
        narrow[r][d].add(first, fourDigits(digits));
        narrow[r][d].add(second, fourDigits(digits + kDigits * kStepColumns));
      }
    }
  }
#pragma GCC unroll 2
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (std::size_t d = 0; d < kDigits; d++) sums[r][d].add(narrow[r][d]);
}

inline int32x4_t zerosOf(const std::uint8_t* zeros) {
  const std::int32_t values[4] = {zeros[0] & 15, zeros[0] >> 4, zeros[1] & 15, zeros[1] >> 4};
  return vld1q_s32(values);
}

template <std::size_t Rows>
inline void addGroup(const GroupBlock& block, std::size_t panel, std::size_t quarter,
                     std::size_t group, std::size_t row, float* sums) {
  const std::size_t count = block.lines.count;
  const std::uint8_t* line = block.lines.first + panel * block.lines.panelStride +
                             group * count * kByteLine + quarter * kQuarterLine;
  const std::int8_t* x = block.x.first + row * block.x.stride + group * count * kNibbleDigits;
  Wide wide[Rows][kDigits] = {};
  for (std::size_t i = 0; i < count; i += kNarrowLines)
    addLines<Rows>(line + i * kByteLine, x + i * kNibbleDigits, block.x.stride, wide);
  const std::size_t lane = 4 * quarter;
  const std::size_t own = (panel * block.weightGroups + group) * kPanelRows + lane;
  const int32x4_t zeros = zerosOf(block.zeros + own / 2);
  const float32x4_t scales = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(block.scales + own)));
#pragma GCC unroll 2
  for (std::size_t r = 0; r < Rows; r++) {
    const std::size_t ofX = (row + r) * block.weightGroups + group;
    const int32x4_t whole = vaddq_s32(vshlq_n_s32(wide[r][0].outputs(), 7), wide[r][1].outputs());
    const int32x4_t exact = vsubq_s32(whole, vmulq_n_s32(zeros, block.xSums[ofX]));
    const float32x4_t sum = vmulq_n_f32(vcvtq_f32_s32(exact), block.xScales[ofX]);
    float* target = sums + (row + r) * kQuadRows + panel * kPanelRows + lane;
    vst1q_f32(target, vaddq_f32(vld1q_f32(target), vmulq_f32(sum, scales)));
  }
}

template <std::size_t Rows>
void addGroups(const GroupBlock& block, std::size_t row, float* sums) {
  for (std::size_t j = 0; j < block.lines.panels; j++)
    for (std::size_t group = 0; group < block.groups; group++)
      for (std::size_t quarter = 0; quarter < 4; quarter++)
        addGroup<Rows>(block, j, quarter, group, row, sums);
}

void addNibbles(const GroupBlock& block, float* sums) {
  std::size_t row = 0;
  for (; row + 2 <= block.x.rows; row += 2) addGroups<2>(block, row, sums);
  if (row < block.x.rows) addGroups<1>(block, row, sums);
}

// One panel. Signed codes: a product is at most 128 * 127.
template <std::size_t Rows>
void addBytesTile(const ByteLines& lines, std::size_t panel, const std::int8_t* x,
                  std::size_t stride, std::int32_t* sums) {
  const std::uint8_t* line = lines.first + panel * lines.panelStride;
  Wide local[Rows][4] = {};
  for (std::size_t i = 0; i < lines.count; i++, line += kByteLine, x += kStepColumns) {
    int8x16_t digits[Rows];
#pragma GCC unroll 2
    for (std::size_t r = 0; r < Rows; r++) digits[r] = fourDigits(x + r * stride);
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; q++) {
      const uint8x16_t bytes = veorq_u8(vld1q_u8(line + q * kQuarterLine), vdupq_n_u8(0x80));
      const int8x16_t codes = vreinterpretq_s8_u8(bytes);
#pragma GCC unroll 2
      for (std::size_t r = 0; r < Rows; r++)
        local[r][q].add({vmull_s8(vget_low_s8(codes), vget_low_s8(digits[r])),
                         vmull_high_s8(codes, digits[r])});
    }
  }
#pragma GCC unroll 2
  for (std::size_t r = 0; r < Rows; r++) {
#pragma GCC unroll 4
    for (std::size_t q = 0; q < 4; q++) {
      std::int32_t* target = sums + r * kQuadRows + panel * kPanelRows + 4 * q;
      vst1q_s32(target, vaddq_s32(vld1q_s32(target), local[r][q].outputs()));
    }
  }
}

void addBytes(const ByteLines& lines, const DigitBlock& x, std::int32_t* sums) {
  for (std::size_t j = 0; j < lines.panels; j++) {
    std::size_t row = 0;
    for (; row + 2 <= x.rows; row += 2)
      addBytesTile<2>(lines, j, x.first + row * x.stride, x.stride, sums + row * kQuadRows);
    if (row < x.rows)
      addBytesTile<1>(lines, j, x.first + row * x.stride, x.stride, sums + row * kQuadRows);
  }
}

}  // namespace

const IntegerLoops neonIntegerLoops{addNibbles, addBytes, 0, DigitLayout::rows, nullptr, nullptr};

}  // namespace quantlab
#endif
