// The border of buffers: creation, copies in and out, and the fills that work on typed arrays.
#include <limits>

#include "border.h"
#include "fill.h"
#include "row-ops.h"

namespace quantlab {
namespace {

constexpr std::int64_t kMostElements = std::int64_t{1} << 40;
constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;

std::size_t elementBytes(BufferDtype dtype) { return dtype == BufferDtype::bf16 ? 2 : 4; }

BufferDtype dtypeArgument(const Napi::CallbackInfo& info, std::size_t index) {
  const std::string name = stringArgument(info, index);
  if (name == "bf16") return BufferDtype::bf16;
  if (name == "f32") return BufferDtype::f32;
  if (name == "i32") return BufferDtype::i32;
  throw Napi::TypeError::New(info.Env(), "dtype must be \"bf16\", \"f32\" or \"i32\", not " + name);
}

// A live buffer of any dtype that holds [offset, offset + count).
Buffer& rangeArgument(const Napi::CallbackInfo& info, std::size_t offset, std::size_t count) {
  Buffer& buffer = unwrapHandle<Buffer>(info, 0);
  if (buffer.block.as<void>() == nullptr)
    throw Napi::RangeError::New(info.Env(), "the buffer was freed");
  if (offset > buffer.count || count > buffer.count - offset)
    throw Napi::RangeError::New(info.Env(), "elements " + std::to_string(offset) + " to " +
                                                std::to_string(offset + count) +
                                                " are outside a buffer of " +
                                                std::to_string(buffer.count));
  return buffer;
}

Napi::Value createBuffer(const Napi::CallbackInfo& info) {
  const BufferDtype dtype = dtypeArgument(info, 0);
  const auto count = static_cast<std::size_t>(integerArgument(info, 1, 0, kMostElements));
  auto buffer = std::make_unique<Buffer>(
      Buffer{dtype, count, allocateOrThrow(info.Env(), count * elementBytes(dtype), MemoryKind::buffer)});
  return wrapHandle(info.Env(), std::move(buffer));
}

template <typename T>
void copyIn(const Napi::CallbackInfo& info, std::size_t offset) {
  const auto source = arrayArgument<T>(info, 2);
  Buffer& buffer = rangeArgument(info, offset, source.count);
  if (source.count > 0)
    std::memcpy(buffer.block.as<T>() + offset, source.data, source.count * sizeof(T));
}

void writeBuffer(const Napi::CallbackInfo& info) {
  const auto offset = static_cast<std::size_t>(integerArgument(info, 1, 0, kMostElements));
  switch (unwrapHandle<Buffer>(info, 0).dtype) {
    case BufferDtype::bf16: return copyIn<std::uint16_t>(info, offset);
    case BufferDtype::f32: return copyIn<float>(info, offset);
    case BufferDtype::i32: return copyIn<std::int32_t>(info, offset);
  }
}

template <typename T>
Napi::Value copyOut(Napi::Env env, const Buffer& buffer, std::size_t offset, std::size_t count) {
  auto array = Napi::TypedArrayOf<T>::New(env, count);
  if (count > 0) std::memcpy(array.Data(), buffer.block.as<T>() + offset, count * sizeof(T));
  return array;
}

Napi::Value readBuffer(const Napi::CallbackInfo& info) {
  const auto offset = static_cast<std::size_t>(integerArgument(info, 1, 0, kMostElements));
  const auto count = static_cast<std::size_t>(integerArgument(info, 2, 0, kMostElements));
  const Buffer& buffer = rangeArgument(info, offset, count);
  switch (buffer.dtype) {
    case BufferDtype::bf16: return copyOut<std::uint16_t>(info.Env(), buffer, offset, count);
    case BufferDtype::f32: return copyOut<float>(info.Env(), buffer, offset, count);
    case BufferDtype::i32: break;
  }
  return copyOut<std::int32_t>(info.Env(), buffer, offset, count);
}

void freeBuffer(const Napi::CallbackInfo& info) {
  Buffer& buffer = unwrapHandle<Buffer>(info, 0);
  buffer.block.reset();
  buffer.count = 0;
}

void convert(const Napi::CallbackInfo& info) {
  const auto source = arrayArgument<float>(info, 0);
  const auto target = arrayArgument<std::uint16_t>(info, 1);
  if (source.count != target.count)
    throw Napi::RangeError::New(info.Env(), "source has " + std::to_string(source.count) +
                                                " elements, target " + std::to_string(target.count));
  convertToBf16(source.data, target.data, target.count);
}

void fill(const Napi::CallbackInfo& info) {
  const auto target = arrayArgument<std::uint16_t>(info, 0);
  const auto seed = integerArgument(info, 1, 0, kMaxSafeInteger);
  const auto first = integerArgument(info, 2, 0, kMaxSafeInteger);
  const double std = numberArgument(info, 3);
  if (!(std >= 0 && std <= std::numeric_limits<float>::max()))
    throw Napi::RangeError::New(info.Env(), "std must be a finite number, at least 0");
  fillNormal(target.data, target.count, static_cast<std::uint64_t>(seed),
             static_cast<std::uint64_t>(first), std);
}

// Frees an ArrayBuffer's memory now, whenever its garbage is collected.
void detachCall(const Napi::CallbackInfo& info) {
  if (!info[0].IsArrayBuffer())
    throw Napi::TypeError::New(info.Env(), "argument 0 is not an ArrayBuffer");
  info[0].As<Napi::ArrayBuffer>().Detach();
}

}  // namespace

void exportBuffers(Napi::Env env, Napi::Object exports) {
  exports.Set("createBuffer", Napi::Function::New(env, createBuffer, "createBuffer"));
  exports.Set("writeBuffer", Napi::Function::New(env, writeBuffer, "writeBuffer"));
  exports.Set("readBuffer", Napi::Function::New(env, readBuffer, "readBuffer"));
  exports.Set("freeBuffer", Napi::Function::New(env, freeBuffer, "freeBuffer"));
  exports.Set("convertToBf16", Napi::Function::New(env, convert, "convertToBf16"));
  exports.Set("detach", Napi::Function::New(env, detachCall, "detach"));
  exports.Set("fillNormal", Napi::Function::New(env, fill, "fillNormal"));
}

}  // namespace quantlab
