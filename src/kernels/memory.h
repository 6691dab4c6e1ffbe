// Aligned native memory with accounting, BF16 conversions, and the objects behind JavaScript handles.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace quantlab {

enum class MemoryKind { weight = 0, buffer = 1, kvCache = 2 };

// Bytes allocated now, by kind; read by memory() of the binding.
extern std::atomic<std::int64_t> allocatedBytes[3];

// Refused beyond this: 16 TiB, so that sizes computed from arguments cannot wrap around.
constexpr std::size_t kLargestAllocation = std::size_t{1} << 44;

// 64-byte aligned, uninitialised, huge pages advised from 4 MiB up. Throws std::bad_alloc.
void* alignedAllocate(std::size_t bytes, MemoryKind kind);
void alignedFree(void* pointer, std::size_t bytes, MemoryKind kind) noexcept;

// Owns one aligned block; moves, never copies.
class Block {
 public:
  Block() = default;
  Block(std::size_t bytes, MemoryKind kind)
      : pointer_(alignedAllocate(bytes, kind)), bytes_(bytes), kind_(kind) {}
  ~Block() { reset(); }
  Block(Block&& other) noexcept { swap(other); }
  Block& operator=(Block&& other) noexcept {
    swap(other);
    return *this;
  }
  void reset() noexcept {
    if (pointer_ != nullptr) alignedFree(pointer_, bytes_, kind_);
    pointer_ = nullptr;
    bytes_ = 0;
  }
  void swap(Block& other) noexcept {
    std::swap(pointer_, other.pointer_);
    std::swap(bytes_, other.bytes_);
    std::swap(kind_, other.kind_);
  }
  template <typename T>
  T* as() const {
    return static_cast<T*>(pointer_);
  }
  std::size_t bytes() const { return bytes_; }

 private:
  void* pointer_ = nullptr;
  std::size_t bytes_ = 0;
  MemoryKind kind_ = MemoryKind::buffer;
};

using bf16 = std::uint16_t;

[[gnu::always_inline]] inline float bf16ToFloat(bf16 value) {
  std::uint32_t bits = static_cast<std::uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

// Round to nearest even; NaN stays NaN with the quiet bit set. Without a branch, so that loops over it
// become vector code.
[[gnu::always_inline]] inline bf16 floatToBf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40u;
  return static_cast<bf16>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

enum class BufferDtype { bf16, f32, i32 };

// Behind a BufferHandle. A freed buffer has a null block; the border refuses it.
struct Buffer {
  BufferDtype dtype;
  std::size_t count;
  Block block;
};

}  // namespace quantlab
