// Asks the CPU and the system once which instruction sets may be used.
#include "cpu.h"

#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace quantlab {
namespace {

#if defined(__x86_64__)
bool cpuidBit(unsigned leaf, unsigned subleaf, int reg, int bit) {
  unsigned r[4] = {0, 0, 0, 0};
  if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return false;
  return (r[reg] >> bit) & 1;
}

bool hasAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         cpuidBit(1, 0, 2, 29);  // F16C
}

bool hasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
         cpuidBit(7, 1, 0, 5);  // AVX512_BF16
}

// Linux lets a process use the tiles' registers only after it has asked.
bool mayUseAmx() {
#if defined(QUANTLAB_EMULATE_AMX)
  return true;
#elif defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  // AMX_TILE, AMX_BF16, AMX_INT8
  const bool hasTiles = cpuidBit(7, 0, 3, 24) && cpuidBit(7, 0, 3, 22) && cpuidBit(7, 0, 3, 25);
  return hasTiles && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> isas{Isa::portable};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (hasAvx2()) isas.push_back(Isa::avx2);
  if (hasAvx2() && hasAvx512()) {
    isas.push_back(Isa::avx512);
    if (mayUseAmx()) isas.push_back(Isa::amx);
  }
#elif defined(__aarch64__)
  isas.push_back(Isa::neon);
#endif
  return isas;
}

struct Choice {
  Isa isa;
  std::string error;
};

const Choice& choice() {
  static const Choice chosen = [] {
    const auto& isas = availableIsas();
    Choice c{isas.back(), ""};
    const char* forced = std::getenv("QUANTLAB_ISA");
    if (forced == nullptr || *forced == '\0') return c;
    for (Isa isa : isas) {
      if (forced == std::string(isaName(isa))) {
        c.isa = isa;
        return c;
      }
    }
    c.error = "QUANTLAB_ISA=" + std::string(forced) + ", but this machine offers";
    for (Isa isa : isas) c.error += std::string(" ") + isaName(isa);
    return c;
  }();
  return chosen;
}

}  // namespace

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::portable: return "portable";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::amx: return "amx";
    case Isa::neon: return "neon";
  }
  return "portable";
}

const std::vector<Isa>& availableIsas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa activeIsa() { return choice().isa; }
const std::string& isaError() { return choice().error; }

std::vector<std::string> cpuFeatures() {
  std::vector<std::string> features;
#if defined(__x86_64__)
  auto add = [&](bool present, const char* name) {
    if (present) features.emplace_back(name);
  };
  add(__builtin_cpu_supports("avx2"), "avx2");
  add(__builtin_cpu_supports("fma"), "fma");
  add(cpuidBit(1, 0, 2, 29), "f16c");
  add(__builtin_cpu_supports("avx512f"), "avx512f");
  add(__builtin_cpu_supports("avx512bw"), "avx512bw");
  add(__builtin_cpu_supports("avx512vbmi"), "avx512vbmi");
  add(cpuidBit(7, 0, 2, 11), "avx512_vnni");
  add(cpuidBit(7, 1, 0, 5), "avx512_bf16");
  add(cpuidBit(7, 0, 3, 23), "avx512_fp16");
  add(cpuidBit(7, 0, 3, 22), "amx_bf16");
  add(cpuidBit(7, 0, 3, 24), "amx_tile");
  add(cpuidBit(7, 0, 3, 25), "amx_int8");
#elif defined(__aarch64__)
  features.emplace_back("neon");
#if defined(__linux__)
  const unsigned long first = getauxval(AT_HWCAP);
  const unsigned long second = getauxval(AT_HWCAP2);
  if ((first & HWCAP_ASIMDDP) != 0) features.emplace_back("dotprod");
  if ((first & HWCAP_SVE) != 0) features.emplace_back("sve");
  if ((second & HWCAP2_BF16) != 0) features.emplace_back("bf16");
  if ((second & HWCAP2_I8MM) != 0) features.emplace_back("i8mm");
#endif
#endif
  return features;
}

std::string cpuModel() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  std::string implementer;
  std::string part;
  while (std::getline(info, line)) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(colon + 2);
    if (line.rfind("model name", 0) == 0) return value;
    if (line.rfind("CPU implementer", 0) == 0) implementer = value;
    if (line.rfind("CPU part", 0) == 0) part = value;
  }
  // Linux on arm64 names cores by number.
  if (!part.empty()) return "arm64 implementer " + implementer + " part " + part;
  return "unknown";
}

int availableCores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : static_cast<int>(n);
}

}  // namespace quantlab
