// From packed E4M3 codes to BF16 lines, for each instruction set.
#pragma once
#include "format.h"

namespace quantlab::fp8 {

// Two lines of codes: byte 16 (o / 4) + 8 (pair % 2) + 2 (o % 4) + (k % 2) holds output o, so that
// interleaving the low and the high bytes of BF16 within 128-bit lanes gives the two lines.
constexpr std::size_t kCodeBytes = 64;

inline std::size_t byteOf(std::size_t output, std::size_t k) {
  return k / 4 * kCodeBytes + output / 4 * 16 + k / 2 % 2 * 8 + output % 4 * 2 + k % 2;
}

inline const std::uint8_t* panelOf(const Weight& weight, std::size_t panel) {
  return weight.codes.as<std::uint8_t>() + panel * weight.pairs / 2 * kCodeBytes;
}

extern const FormatLoops portableLoops;
#if defined(__x86_64__)
extern const FormatLoops avx2Loops;
extern const FormatLoops avx512Loops;
#endif

}  // namespace quantlab::fp8
