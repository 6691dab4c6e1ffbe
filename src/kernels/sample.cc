// Greedy choice, and sampling by the inverse distribution function without sorting the vocabulary.
#include "sample.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "dispatch.h"
#include "exponential.h"
#include "pool.h"

namespace quantlab {
namespace {

QUANTLAB_BODY float maximumBody(const float* values, std::size_t count) {
  float lanes[16];
  for (std::size_t lane = 0; lane < 16; lane++) lanes[lane] = -std::numeric_limits<float>::infinity();
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (std::size_t lane = 0; lane < 16; lane++)
      lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
  for (; i < count; i++) lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
  for (std::size_t lane = 1; lane < 16; lane++)
    lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
  return lanes[0];
}
QUANTLAB_VARIANTS(float, maximum, (const float* values, std::size_t count), (values, count));

// weights = exp((logits - top) / temperature); NaN counts as impossible.
QUANTLAB_BODY void weighBody(const float* logits, float top, float inverseTemperature,
                             std::size_t count, float* weights) {
  for (std::size_t i = 0; i < count; i++) {
    const float weight = exponential((logits[i] - top) * inverseTemperature);
    weights[i] = weight == weight ? weight : 0.0f;
  }
}
QUANTLAB_VARIANTS(void, weigh,
                  (const float* logits, float top, float inverseTemperature, std::size_t count,
                   float* weights),
                  (logits, top, inverseTemperature, count, weights));

// Tokens in bands of falling weight, so that only bands in which an answer lies are ever sorted. A
// band is the weight's exponent and four mantissa bits, so bands rise with the weight.
class Ranking {
 public:
  Ranking(const float* logits, const float* weights, std::size_t count)
      : logits_(logits), weights_(weights), count_(count), bands_(kBands) {
    for (std::size_t token = 0; token < count; token++) {
      Band& band = bands_[bandOf(weights[token])];
      band.mass += static_cast<double>(weights[token]);
      band.size++;
    }
    while (lowest_ + 1 < kBands && bands_[lowest_].size == 0) lowest_++;
  }

  struct Place {
    std::size_t token;
    std::size_t rank;  // 1 for the likeliest
    double mass;       // of this token and all before it
  };

  // The first token, by falling weight, that has this rank or with which the tokens so far weigh more
  // than `mass`; the last token of any weight if there is none.
  Place find(std::size_t rank, double mass) const {
    Place place{0, 0, 0};
    for (std::size_t index = kBands - 1; index >= lowest_; index--) {
      const Band& band = bands_[index];
      const bool skipped = index != lowest_ && place.rank + band.size < rank &&
                           place.mass + band.mass <= mass;
      if (skipped) {
        place.rank += band.size;
        place.mass += band.mass;
        continue;
      }
      for (std::size_t token : sorted(index)) {
        place.token = token;
        place.rank++;
        place.mass += static_cast<double>(weights_[token]);
        if (place.rank >= rank || place.mass > mass) return place;
      }
    }
    return place;
  }

 private:
  struct Band {
    double mass = 0;
    std::size_t size = 0;
  };
  // Exponents up to 1.0's with four mantissa bits each; band 0 holds impossible tokens.
  static constexpr std::size_t kBands = 127 * 16 + 1;

  static std::size_t bandOf(float weight) {
    std::uint32_t bits;
    std::memcpy(&bits, &weight, 4);
    return std::min<std::size_t>(bits >> 19, kBands - 1);
  }

  std::vector<std::size_t> sorted(std::size_t band) const {
    std::vector<std::size_t> tokens;
    tokens.reserve(bands_[band].size);
    for (std::size_t token = 0; token < count_; token++)
      if (bandOf(weights_[token]) == band) tokens.push_back(token);
    std::sort(tokens.begin(), tokens.end(), [this](std::size_t a, std::size_t b) {
      return logits_[a] != logits_[b] ? logits_[a] > logits_[b] : a < b;
    });
    return tokens;
  }

  const float* logits_;
  const float* weights_;
  std::size_t count_;
  std::vector<Band> bands_;
  std::size_t lowest_ = 1;
};

}  // namespace

std::size_t argmax(const float* logits, std::size_t count) {
  // Only the block that holds the largest is searched for it.
  constexpr std::size_t kBlock = 2048;
  float top = -std::numeric_limits<float>::infinity();
  std::size_t first = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const float found = maximum(logits + begin, std::min(kBlock, count - begin));
    if (!(found > top)) continue;
    top = found;
    first = begin;
  }
  for (std::size_t token = first; token < count; token++)
    if (logits[token] == top) return token;
  return 0;
}

void argmaxRows(const float* logits, std::size_t rows, std::size_t count, std::int32_t* tokens) {
  parallelFor(rows, 1, [=](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++)
      tokens[row] = static_cast<std::int32_t>(argmax(logits + row * count, count));
  });
}

std::size_t sample(const float* logits, std::size_t count, const SampleChoice& choice) {
  std::vector<float> weights(count);
  weigh(logits, maximum(logits, count), 1.0f / choice.temperature, count, weights.data());
  const Ranking ranking(logits, weights.data(), count);
  constexpr double kAll = std::numeric_limits<double>::infinity();
  Ranking::Place last = ranking.find(choice.topK == 0 ? count : choice.topK, kAll);
  // The smallest set that weighs at least topP; the margin absorbs the rounding of the two sums.
  if (choice.topP < 1) last = ranking.find(last.rank, choice.topP * last.mass * (1 - 1e-12));
  return ranking.find(last.rank, choice.uniform * last.mass).token;
}

}  // namespace quantlab
