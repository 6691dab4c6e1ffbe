// e^x for loops that the compiler vectorizes; about 1 ulp, the same bits under every instruction set.
#pragma once
#include <cstdint>
#include <cstring>

namespace quantlab {

// 0 below -87.3 (where FP32 would go subnormal) and e^88.3 above 88.3; NaN stays NaN.
[[gnu::always_inline]] inline float exponential(float x) {
  // Cody and Waite: x = k ln 2 + r, |r| <= ln 2 / 2; ln 2 is split so that k * high is exact.
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  // Adding 1.5 * 2^23 rounds to a whole number, which is then the low mantissa bits.
  constexpr float kRound = 12582912.0f;
  constexpr float kLowest = -87.3f;
  const float bounded = x > 88.3f ? 88.3f : (x < kLowest ? kLowest : x);
  const float shifted = bounded * kLog2E + kRound;
  const float k = shifted - kRound;
  const float r = (bounded - k * kLn2High) - k * kLn2Low;
  // Minimax polynomial of (e^r - 1 - r) / r^2, the coefficients of Cephes' expf.
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float mantissa = p * (r * r) + r + 1.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &shifted, 4);
  const std::uint32_t power = (bits - 0x4b400000u + 127u) << 23;
  float scale;
  std::memcpy(&scale, &power, 4);
  const float result = mantissa * scale;
  return x < kLowest ? 0.0f : result;
}

}  // namespace quantlab
