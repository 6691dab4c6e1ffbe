// Normal samples: a counter-based hash gives 16 bits per element, which index a table of quantiles.
#include "fill.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pool.h"

namespace quantlab {
namespace {

constexpr std::size_t kQuantiles = 65536;

// Ratio of polynomials in x, coefficients from the highest power down.
template <std::size_t N>
double ratio(const double (&numerator)[N], const double (&denominator)[N], double x) {
  double top = 0;
  double bottom = 0;
  for (std::size_t i = 0; i < N; i++) {
    top = top * x + numerator[i];
    bottom = bottom * x + denominator[i];
  }
  return top / bottom;
}

// Inverse of the normal distribution function for p < 0.5 or so: Wichura, Algorithm AS 241 (1988),
// routine PPND7, relative error about 1e-7: far below BF16's 4e-3.
double normalQuantile(double p) {
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) {
    static const double a[] = {5.9109374720e1, 1.5929113202e2, 5.0434271938e1, 3.3871327179};
    static const double b[] = {6.7187563600e1, 7.8757757664e1, 1.7895169469e1, 1.0};
    return q * ratio(a, b, 0.180625 - q * q);
  }
  const double r = std::sqrt(-std::log(q < 0 ? p : 1 - p));
  // The table's outermost p is 2^-17, r = 3.4: the third branch of AS 241 (r > 5) is never needed.
  static const double c[] = {1.7023821103e-1, 1.3067284816, 2.7568153900, 1.4234372777};
  static const double d[] = {0.0, 1.2021132975e-1, 7.3700164250e-1, 1.0};
  const double tail = ratio(c, d, r - 1.6);
  return q < 0 ? -tail : tail;
}

// Quantiles at (i + 0.5) / 65536, scaled so that their variance is exactly one.
const std::vector<double>& unitQuantiles() {
  static const std::vector<double> table = [] {
    std::vector<double> quantiles(kQuantiles);
    double squares = 0;
    for (std::size_t i = 0; i < kQuantiles / 2; i++) {
      const double value = normalQuantile((static_cast<double>(i) + 0.5) / kQuantiles);
      quantiles[i] = value;
      quantiles[kQuantiles - 1 - i] = -value;
      squares += 2 * value * value;
    }
    const double scale = std::sqrt(kQuantiles / squares);
    for (double& value : quantiles) value *= scale;
    return quantiles;
  }();
  return table;
}

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014) over a counter: 64 well mixed bits.
inline std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

// Four elements share one hash; element e takes bits 16 * (e % 4) and up.
inline std::uint64_t hashOf(std::uint64_t key, std::uint64_t group) {
  return mix(key + group * 0x9e3779b97f4a7c15ull);
}

void fillRange(bf16* target, std::size_t count, std::uint64_t key, std::uint64_t first,
               const bf16* table) {
  std::size_t i = 0;
  for (; i < count && (first + i) % 4 != 0; i++)
    target[i] = table[(hashOf(key, (first + i) / 4) >> (16 * ((first + i) % 4))) & 0xffff];
  for (; i + 4 <= count; i += 4) {
    const std::uint64_t bits = hashOf(key, (first + i) / 4);
    target[i] = table[bits & 0xffff];
    target[i + 1] = table[(bits >> 16) & 0xffff];
    target[i + 2] = table[(bits >> 32) & 0xffff];
    target[i + 3] = table[bits >> 48];
  }
  for (; i < count; i++)
    target[i] = table[(hashOf(key, (first + i) / 4) >> (16 * ((first + i) % 4))) & 0xffff];
}

}  // namespace

void fillNormal(bf16* target, std::size_t count, std::uint64_t seed, std::uint64_t firstIndex,
                double std) {
  const std::vector<double>& unit = unitQuantiles();
  std::vector<bf16> table(kQuantiles);
  for (std::size_t i = 0; i < kQuantiles; i++)
    table[i] = floatToBf16(static_cast<float>(unit[i] * std));
  const std::uint64_t key = mix(seed + 0x9e3779b97f4a7c15ull);
  parallelFor(count, std::size_t{1} << 16, [&](std::size_t begin, std::size_t end) {
    fillRange(target + begin, end - begin, key, firstIndex + begin, table.data());
  });
}

}  // namespace quantlab
