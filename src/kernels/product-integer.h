// The inner loops of products in whole numbers: signed digits of x against unsigned codes in byte lines.
//
// A byte line is 64 bytes, 4 columns of a panel: byte 4 * o + j is the code of output o in column j, what
// `vpdpbusd` multiplies with four broadcast digits, and a row of an AMX tile of 8-bit numbers. All sums of a
// section are exact, so their order means nothing, and what follows is done in one order with one rounding
// a step: every instruction set gives the same bits, whatever the rows beside a row and the threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "digits.h"

namespace quantlab {

constexpr std::size_t kByteLine = kPanelRows * kStepColumns;
constexpr std::size_t kNibbleDigits = 2 * 2 * kStepColumns;  // of a row of x, for one line of nibbles

// Byte lines, or lines of nibbles, which are two byte lines each.
struct ByteLines {
  const std::uint8_t* first;  // of the first panel
  std::size_t panelStride;    // bytes
  std::size_t panels;
  std::size_t count;          // 64 bytes each; where there are groups, in each
};

// In the loops' layout; rows are those of x, and of tiles the first one begins a tile.
struct DigitBlock {
  const std::int8_t* first;
  std::size_t stride;
  std::size_t rows;
};

// Consecutive groups of 4-bit codes and two digits. Scales and zero points are those of the first panel and
// group; those of the next panel follow after `weightGroups` groups, and x's of the next row after `weightGroups`.
struct GroupBlock {
  ByteLines lines;
  DigitBlock x;
  std::size_t groups;
  std::size_t weightGroups;
  const std::uint16_t* scales;  // F16 [kPanelRows]
  const std::uint8_t* zeros;    // [kPanelRows / 2]
  const float* xScales;
  const std::int32_t* xSums;
};

struct IntegerLoops {
  // For each group, with S = sum of codes times numbers - zero point times the numbers' sum:
  //   sums[row * kQuadRows + 16 * j + o] += (float(S) * x scale) * scale
  // Decoded in registers for any number of rows: a shift and a mask or two for 128 weights.
  void (*addNibbles)(const GroupBlock& block, float* sums);
  // sums[row * kQuadRows + 16 * j + o] += sum of (bytes - 128 + byteZero) times digits, modulo 2^32.
  void (*addBytes)(const ByteLines& lines, const DigitBlock& x, std::int32_t* sums);
  std::int32_t byteZero;
  DigitLayout layout;
  // Around all calls of a task, on its thread; null where there is nothing to set up.
  void (*enter)();
  void (*leave)();
};

extern const IntegerLoops portableIntegerLoops;
#if defined(__x86_64__)
extern const IntegerLoops avx2IntegerLoops;
extern const IntegerLoops avx512IntegerLoops;
extern const IntegerLoops amxIntegerLoops;
#elif defined(__aarch64__)
extern const IntegerLoops neonIntegerLoops;
#endif

// Output o's zero point.
inline std::int32_t zeroOf(const std::uint8_t* zeros, std::size_t output) {
  return zeros[output / 2] >> (output % 2 * 4) & 15;
}

}  // namespace quantlab
