// Shared by the files that face Node-API: handles to native objects, and argument checks that throw.
#pragma once
#include <napi.h>

#include <cmath>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "memory.h"

namespace quantlab {

// Each kind of handle is a tagged External, so that a KV cache passed as a weight is refused. The
// tags' second words: buffer 1, batch 2, KV cache 3, RoPE table 4, weight 5.
template <typename T>
struct HandleTag;  // specialised per type: static const napi_type_tag value; static const char* name
template <>
struct HandleTag<Buffer> {
  static constexpr napi_type_tag value = {0x7175616e746c6162ull, 1};
  static constexpr const char* name = "buffer";
};

template <typename T>
Napi::Value wrapHandle(Napi::Env env, std::unique_ptr<T> object) {
  auto external = Napi::External<T>::New(env, object.release(),
                                         [](Napi::Env, T* pointer) { delete pointer; });
  external.TypeTag(&HandleTag<T>::value);
  return external;
}

template <typename T>
T& unwrapHandle(const Napi::CallbackInfo& info, std::size_t index) {
  Napi::Value value = info[index];
  if (value.IsExternal()) {
    auto external = value.As<Napi::External<T>>();
    if (external.CheckTypeTag(&HandleTag<T>::value)) return *external.Data();
  }
  throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " is not a " +
                                             HandleTag<T>::name + " handle");
}

// A whole number in [low, high].
inline std::int64_t integerArgument(const Napi::CallbackInfo& info, std::size_t index,
                                    std::int64_t low, std::int64_t high) {
  Napi::Value value = info[index];
  double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
      number != std::floor(number)) {
    throw Napi::RangeError::New(info.Env(), "argument " + std::to_string(index) +
                                                " must be a whole number from " +
                                                std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<std::int64_t>(number);
}

inline double numberArgument(const Napi::CallbackInfo& info, std::size_t index) {
  if (!info[index].IsNumber())
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " is not a number");
  return info[index].As<Napi::Number>().DoubleValue();
}

inline std::string stringArgument(const Napi::CallbackInfo& info, std::size_t index) {
  if (!info[index].IsString())
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " is not a string");
  return info[index].As<Napi::String>().Utf8Value();
}

// A typed array's elements; they stay valid for the duration of the call.
template <typename T>
struct ArrayView {
  T* data;
  std::size_t count;
};

template <typename T>
ArrayView<T> arrayArgument(const Napi::CallbackInfo& info, std::size_t index) {
  napi_typedarray_type wanted = napi_uint8_array;
  const char* name = "Uint8Array";
  if constexpr (std::is_same_v<T, std::uint16_t>) wanted = napi_uint16_array, name = "Uint16Array";
  if constexpr (std::is_same_v<T, std::int32_t>) wanted = napi_int32_array, name = "Int32Array";
  if constexpr (std::is_same_v<T, float>) wanted = napi_float32_array, name = "Float32Array";
  napi_typedarray_type type;
  std::size_t count;
  void* data;
  if (!info[index].IsTypedArray() ||
      napi_get_typedarray_info(info.Env(), info[index], &type, &count, &data, nullptr, nullptr) !=
          napi_ok ||
      type != wanted)
    throw Napi::TypeError::New(info.Env(),
                               "argument " + std::to_string(index) + " is not a " + name);
  return {static_cast<T*>(data), count};
}

// A live buffer of this dtype with at least `count` elements.
inline Buffer& bufferArgument(const Napi::CallbackInfo& info, std::size_t index, BufferDtype dtype,
                              std::size_t count) {
  Buffer& buffer = unwrapHandle<Buffer>(info, index);
  if (buffer.dtype != dtype)
    throw Napi::TypeError::New(info.Env(),
                               "buffer argument " + std::to_string(index) + " has another dtype");
  if (buffer.block.as<void>() == nullptr || buffer.count < count)
    throw Napi::RangeError::New(info.Env(), "buffer argument " + std::to_string(index) + " holds " +
                                                std::to_string(buffer.count) + " elements, needs " +
                                                std::to_string(count));
  return buffer;
}

// A block, or a RangeError that says how much was asked for.
inline Block allocateOrThrow(Napi::Env env, std::size_t bytes, MemoryKind kind) {
  try {
    return Block(bytes, kind);
  } catch (const std::bad_alloc&) {
    throw Napi::RangeError::New(env, "the system refused " + std::to_string(bytes) + " bytes");
  }
}

// Each border file adds its functions to the addon's exports.
void exportMachine(Napi::Env env, Napi::Object exports);   // border-machine.cc: cpu, threads, probes
void exportBuffers(Napi::Env env, Napi::Object exports);   // border-buffers.cc: buffers, fills
void exportWeights(Napi::Env env, Napi::Object exports);   // border-weights.cc: weights, linear, embed
void exportOps(Napi::Env env, Napi::Object exports);       // border-ops.cc: norms, gate, choice
void exportQuantizers(Napi::Env env, Napi::Object exports); // border-quantize.cc: codes, searches
void exportSequences(Napi::Env env, Napi::Object exports); // border-sequences.cc: batch, cache, attention

}  // namespace quantlab
