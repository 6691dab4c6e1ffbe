// From packed E4M3 codes to BF16 lines, for each instruction set.
#pragma once
#include "decode.h"
#include "format.h"

namespace quantlab::fp8 {

// Codes of output o and columns k, k + 1 stand where decode.h wants the two lines of k / 4.
inline std::size_t byteOf(std::size_t output, std::size_t k) {
  return k / 4 * kCodeBytes + codeByte(output, k / 2 % 2, k % 2);
}

inline const std::uint8_t* panelOf(const Weight& weight, std::size_t panel) {
  return weight.codes.as<std::uint8_t>() + panel * weight.pairs / 2 * kCodeBytes;
}

// The first codes of a product of few rows in one of its panels.
inline const std::uint8_t* codesOf(const FewRows& product, std::size_t panel) {
  return panelOf(product.weight, panel) + product.firstPair / 2 * kCodeBytes;
}

// The four exponent and three mantissa bits of a code in the places of FP32's give the value times
// 2^-120, codes without an exponent included. x is multiplied by 2^112, which its largest, 448, allows,
// and sums by 2^8: all exact, so that the bits are those of the path over lines.
constexpr float kInputFactor = 0x1p112f;
constexpr float kSumFactor = 0x1p8f;

// Sums of some panels, from `panel` on. x: rows as FP32 times kInputFactor, one after another. False, and
// no sums, when a code is NaN: shifts would make a number of it.
using WideTile = bool (*)(const FewRows& product, std::size_t panel, const float* x, float* sums);

// A product by tiles of `width` panels and, for those left over, of one.
void sumWideTiles(const FewRows& product, WideTile tile, std::size_t width, WideTile single, float* sums);

// Scales of the 16 outputs of a panel in one group.
void groupScales(const Weight& weight, std::size_t panel, std::size_t group, float* scales);

extern const FormatLoops portableLoops;
#if defined(__x86_64__)
extern const FormatLoops avx2Loops;
extern const FormatLoops avx512Loops;
#elif defined(__aarch64__)
extern const FormatLoops neonLoops;
#endif

}  // namespace quantlab::fp8
