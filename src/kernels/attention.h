// Causal attention of a batch over the paged cache.
#pragma once
#include <cstddef>

#include "batch.h"
#include "kv-cache.h"

namespace quantlab {

// Queries from qkv [tokens, (heads + 2 kvHeads) * headDim], out [tokens, heads * headDim]. The bits
// of a row depend on its own context alone: not on threads, nor on what else is in the batch (on AMX over
// an FP8 cache: but for a sequence with at most four query rows a KV head, which vectors compute).
void attention(const bf16* qkv, const Batch& batch, const KvCache& cache, std::size_t layer,
               std::size_t heads, bf16* out);

}  // namespace quantlab
