// Which instruction sets this process may use, asked once; the dispatch of every kernel looks here.
#pragma once
#include <string>
#include <vector>

namespace quantlab {

// In rising order of preference on x86; `neon` stands alone on arm64.
enum class Isa { portable = 0, avx2 = 1, avx512 = 2, amx = 3, neon = 4 };

const char* isaName(Isa isa);

// What the CPU and the system permit, best last. Always begins with portable.
const std::vector<Isa>& availableIsas();

// The one in use: the best available, or the one QUANTLAB_ISA names when it is available.
// avx512 means F, BW, DQ, VL, VBMI, VNNI and BF16; avx2 means AVX2, FMA and F16C.
Isa activeIsa();

// Empty, or why QUANTLAB_ISA could not be obeyed; addon.cc turns it into an error at load.
const std::string& isaError();

std::vector<std::string> cpuFeatures();
std::string cpuModel();
// Cores that this process may be scheduled on.
int availableCores();

}  // namespace quantlab
