// Tags of the handles to what knows sequences; kept from the kernels' headers, which do not know Node.
#pragma once
#include "batch.h"
#include "border.h"
#include "kv-cache.h"
#include "rope.h"

namespace quantlab {

template <>
struct HandleTag<Batch> {
  static constexpr napi_type_tag value = {0x7175616e746c6162ull, 2};
  static constexpr const char* name = "batch";
};

template <>
struct HandleTag<KvCache> {
  static constexpr napi_type_tag value = {0x7175616e746c6162ull, 3};
  static constexpr const char* name = "KV cache";
};

template <>
struct HandleTag<RopeTable> {
  static constexpr napi_type_tag value = {0x7175616e746c6162ull, 4};
  static constexpr const char* name = "RoPE table";
};

}  // namespace quantlab
