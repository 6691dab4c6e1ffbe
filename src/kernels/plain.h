// The plain kernel of weight-only formats: all of the weight becomes BF16 in memory at each product.
#pragma once
#include "weight.h"

namespace quantlab {

// The weight in BF16, numbers times scales rounded: the calling thread's own memory, until its next call.
const Weight& dequantized(const Weight& weight);

}  // namespace quantlab
