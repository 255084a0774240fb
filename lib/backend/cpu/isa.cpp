// SPDX-License-Identifier: MIT
#include "backend/cpu/isa.hpp"

namespace clip {

std::string_view isa_name(Isa isa) {
    switch (isa) {
    case Isa::portable:
        return "portable";
    case Isa::neon:
        return "neon";
    case Isa::avx2:
        return "avx2";
    case Isa::avx512:
        return "avx512";
    }
    return "unknown";
}

namespace {
bool cpu_has(Isa isa) {
    switch (isa) {
    case Isa::portable:
        return true;
    case Isa::neon:
        return cpu::neon_kernels() != nullptr; // every AArch64 has it
#if defined(__x86_64__)
    case Isa::avx2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c");
    case Isa::avx512:
        return cpu_has(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#else
    case Isa::avx2:
    case Isa::avx512:
        return false;
#endif
    }
    return false;
}
} // namespace

const cpu::KernelTable* cpu::kernels_of(Isa isa) {
    switch (isa) {
    case Isa::portable:
        return portable_kernels();
    case Isa::neon:
        return neon_kernels();
    case Isa::avx2:
        return avx2_kernels();
    case Isa::avx512:
        return avx512_kernels();
    }
    return nullptr;
}

std::vector<Isa> usable_isas() {
    std::vector<Isa> usable;
    for (const Isa isa : {Isa::portable, Isa::neon, Isa::avx2, Isa::avx512})
        if (cpu::kernels_of(isa) != nullptr && cpu_has(isa))
            usable.push_back(isa);
    return usable;
}

std::string_view cpu_isa_name() {
    return isa_name(usable_isas().back());
}

} // namespace clip
