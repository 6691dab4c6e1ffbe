// Activations as whole numbers, cut into the signed bytes ("digits") that integer products multiply.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "format.h"

namespace quantlab {

// An integer product adds up whole numbers over a section of columns: a group, or at most this many, for
// which 8-bit codes times 8-bit digits stay within 32 bits (255 * 127 * 65536 < 2^31).
constexpr std::size_t kLongestSection = 65536;
constexpr std::size_t kStepColumns = 4;  // of a byte line

inline std::size_t sectionColumns(const Weight& weight) {
  return weight.groupSize != 0 ? weight.groupSize : kLongestSection;
}

inline std::size_t sectionsOf(const Weight& weight) {
  return (weight.columns + sectionColumns(weight) - 1) / sectionColumns(weight);
}

// Formats that round x to 8-bit codes have one digit; those that take x as it is make it fixed point of
// 15 bits and a sign a group, two digits: number = 128 * high + low.
inline std::size_t digitCount(const Weight& weight) {
  return weight.format->quantizeActivations != nullptr ? 1 : 2;
}

// One group of x in fixed point: numbers of at most 16320 whose product with the returned power of two is
// x, rounded to the grid of the group's largest: its leading bit stands for 2^13 (if it is subnormal,
// for less). Exact from the largest down to 1/64 of it, because a BF16 number has 8 bits; below that off by at
// most half a unit, 2^-14 of the power of two below the largest. A NaN or infinity: all zeros, times NaN.
float fixedPoint(const bf16* x, std::size_t count, std::int16_t* numbers);

// rows: one row after another, zeros up to whole byte lines. A row holds for each four columns four digits; of
//   two digits the four high ones, then the four low ones.
// tiles: what AMX multiplies. A tile is 16 rows of 64 columns; of one digit 16 rows of x, of two digits the high
//   ones of 8 rows of x and then their low ones. A section is padded with zeros to whole tiles; the tiles of
//   the same rows of x lie one after another along the columns.
enum class DigitLayout { rows, tiles };
constexpr std::size_t kDigitTileRows = 16;
constexpr std::size_t kDigitTileColumns = 64;
constexpr std::size_t kDigitTileBytes = kDigitTileRows * kDigitTileColumns;
// Between tiles of rows, so that blocks of columns that are powers of two apart fall into all sets of L2.
constexpr std::size_t kDigitStrideGap = 8192;

// x as digits. Scales and sums are those of row r in section s, at [r * sections + s]; formats that round x have
// one scale a row, at [r].
struct Digits {
  const std::int8_t* values;
  std::size_t stride;        // bytes from one row to the next, or from one tile of rows to the next
  const float* scales;
  const std::int32_t* sums;  // of the numbers
};

// All m rows, on all threads, in the calling thread's own memory until its next call.
Digits digitsOf(const Weight& weight, const bf16* x, std::size_t m, DigitLayout layout);

}  // namespace quantlab
