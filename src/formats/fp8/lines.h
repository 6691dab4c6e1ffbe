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
