// The largest magnitude of BF16 numbers, compiled for each instruction set where this is included.
#pragma once
#include <cstddef>
#include <cstdint>

#include "dispatch.h"
#include "memory.h"

namespace quantlab {

// Its bits: for magnitudes the order of the bits is the order of the values.
QUANTLAB_BODY std::uint16_t largestBitsBody(const bf16* x, std::size_t count) {
  std::uint16_t largest = 0;
  for (std::size_t i = 0; i < count; i++) {
    const std::uint16_t magnitude = x[i] & 0x7fffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}
[[maybe_unused]] QUANTLAB_VARIANTS(std::uint16_t, largestBits, (const bf16* x, std::size_t count),
                                   (x, count));

}  // namespace quantlab
