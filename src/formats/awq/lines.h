// From packed INT4 codes to BF16 lines, for each instruction set.
#pragma once
#include "format.h"

namespace quantlab::awq {

// A line of codes stands for four BF16 lines, 8 columns: its 32 words of 16 bits are the 32 elements of
// a line, and nibble j (from the low end) of a word is its element in line j.
constexpr std::size_t kCodeBytes = 64;
constexpr std::size_t kCodeColumns = 8;
constexpr std::size_t kZeroBytes = kPanelRows / 2;  // a group's zero points: output o in nibble o

inline std::uint16_t* panelOf(const Weight& weight, std::size_t panel) {
  return weight.codes.as<std::uint16_t>() + panel * weight.pairs / 4 * kLineElements;
}

inline std::uint16_t* scalesOf(const Weight& weight, std::size_t panel, std::size_t group) {
  return weight.scales.as<std::uint16_t>() + (panel * weight.groups() + group) * kPanelRows;
}

inline std::uint8_t* zerosOf(const Weight& weight, std::size_t panel, std::size_t group) {
  return weight.zeros.as<std::uint8_t>() + (panel * weight.groups() + group) * kZeroBytes;
}

inline unsigned zeroOf(const std::uint8_t* zeros, std::size_t output) {
  return zeros[output / 2] >> (output % 2 * 4) & 15u;
}

// BF16 of -16 .. 15, at the low five bits of the number.
struct NumberTable {
  alignas(64) bf16 values[32];
};
inline const NumberTable numbers = [] {
  NumberTable table{};
  for (int number = -16; number < 16; number++)
    table.values[number & 31] = floatToBf16(static_cast<float>(number));
  return table;
}();

// Scales of the 16 outputs of a panel in one group, as FP32.
void groupScales(const Weight& weight, std::size_t panel, std::size_t group, float* scales);

extern const FormatLoops portableLoops;
#if defined(__x86_64__)
extern const FormatLoops avx2Loops;
extern const FormatLoops avx512Loops;
#elif defined(__aarch64__)
extern const FormatLoops neonLoops;
#endif

}  // namespace quantlab::awq
