// Seeded normal samples in BF16, fast enough to invent a model's weights while it is loaded.
#pragma once
#include <cstddef>
#include <cstdint>

#include "memory.h"

namespace quantlab {

// target[i] depends on (seed, firstIndex + i) and std alone.
void fillNormal(bf16* target, std::size_t count, std::uint64_t seed, std::uint64_t firstIndex,
                double std);

}  // namespace quantlab
