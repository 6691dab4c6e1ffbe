// Compiles one loop body for several instruction sets and picks one when the addon is loaded.
#pragma once
#include "cpu.h"

// A body: plain scalar code that the compiler inlines into a function of each instruction set, and
// vectorizes there. Sums are kept in 16 named lanes, so every instruction set gives the same bits.
#define QUANTLAB_BODY [[gnu::always_inline]] static inline

#if defined(__x86_64__)
#define QUANTLAB_AVX2 __attribute__((target("avx2,fma,f16c")))
#define QUANTLAB_AVX512 \
  __attribute__((target(    \
      "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx512bf16")))
#endif

namespace quantlab {

// The widest variant that the active instruction set covers. AMX has no variant of these: an AMX
// machine has AVX-512.
template <typename Function>
Function* variantFor([[maybe_unused]] Function* portable, [[maybe_unused]] Function* avx2,
                     [[maybe_unused]] Function* avx512) {
  switch (activeIsa()) {
    case Isa::amx:
    case Isa::avx512: return avx512;
    case Isa::avx2: return avx2;
    case Isa::portable:
    case Isa::neon: break;
  }
  return portable;
}

}  // namespace quantlab

// The loops of the active instruction set among those written by hand for each: portableNAME and its
// siblings.
#if defined(__x86_64__)
#define QUANTLAB_LOOPS(name) *variantFor(&portable##name, &avx2##name, &avx512##name)
#elif defined(__aarch64__)
#define QUANTLAB_LOOPS(name) *(activeIsa() == Isa::neon ? &neon##name : &portable##name)
#else
#define QUANTLAB_LOOPS(name) portable##name
#endif

// QUANTLAB_VARIANTS(result, name, (parameters), (arguments)) turns nameBody into `name`, a pointer
// to the variant in use.
#if defined(__x86_64__)
#define QUANTLAB_VARIANTS(result, name, parameters, arguments)              \
  static result name##Portable parameters { return name##Body arguments; }  \
  QUANTLAB_AVX2 static result name##Avx2 parameters { return name##Body arguments; }     \
  QUANTLAB_AVX512 static result name##Avx512 parameters { return name##Body arguments; } \
  static auto* const name = variantFor(name##Portable, name##Avx2, name##Avx512)
#else
// The compiler's baseline; on arm64 it has NEON.
#define QUANTLAB_VARIANTS(result, name, parameters, arguments)             \
  static result name##Portable parameters { return name##Body arguments; } \
  static auto* const name = name##Portable
#endif
