// Products of activations and weights.
#pragma once
#include <cstddef>
#include <string>

#include "format.h"

namespace quantlab {

// Packs or quantizes all panels on all threads; empty, or what is wrong with the input.
std::string packPanels(const Weight& weight, const void* const* tensors);
std::string quantizePanels(const Weight& weight, const bf16* source);

// Where a product goes: exactly one is not null.
struct LinearOutput {
  bf16* brain = nullptr;
  float* single = nullptr;
};

// out[m, rows] = x[m, columns] times weight transposed, FP32 sums. The bits of a row depend on that row
// of x alone: not on threads, nor on m (on AMX: but for m = 1, which vectors compute).
void linear(const Weight& weight, const bf16* x, std::size_t m, const LinearOutput& out);

// out[t, columns] = row tokenIds[t] of the weight.
void embed(const Weight& weight, const std::int32_t* tokenIds, std::size_t tokens, bf16* out);

}  // namespace quantlab
