// Choosing a token from one row of logits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace quantlab {

// Index of the largest; the lowest index wins a tie; NaN never wins.
std::size_t argmax(const float* logits, std::size_t count);
// The same of each row of [rows, count], on all threads.
void argmaxRows(const float* logits, std::size_t rows, std::size_t count, std::int32_t* tokens);

struct SampleChoice {
  float temperature;  // above 0
  std::size_t topK;   // 0 is off
  double topP;        // 1 is off
  double uniform;     // in [0, 1)
};

// The largest logit must be finite.
std::size_t sample(const float* logits, std::size_t count, const SampleChoice& choice);

}  // namespace quantlab
