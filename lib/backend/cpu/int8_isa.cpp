// SPDX-License-Identifier: MIT
#include "backend/cpu/int8_isa.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace clip::cpu {

namespace {

#if defined(__x86_64__)
// Linux lets a process use the tiles' state only when it has asked for it.
// Source: Documentation/x86/xstate.rst of Linux: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA.
bool may_use_tiles() {
    constexpr long kRequestPermission = 0x1023;
    constexpr long kTileData = 18;
    return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool has_tiles() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0)
        return false;
    constexpr unsigned kAmxTile = 1u << 24, kAmxInt8 = 1u << 25; // of EDX
    return (d & kAmxTile) != 0 && (d & kAmxInt8) != 0 && may_use_tiles();
}

bool has_avxvnni() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned kAvxVnni = 1u << 4; // of EAX
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvxVnni) != 0;
}

bool has_vnni() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#else
bool has_avxvnni() {
    return false;
}
bool has_tiles() {
    return false;
}
bool has_vnni() {
    return false;
}
#endif

} // namespace

std::vector<Int8Choice> usable_int8() {
    std::vector<Int8Choice> usable;
    if (avxvnni_kernels() != nullptr && has_avxvnni())
        usable.push_back({"avxvnni", avxvnni_kernels()});
    if (!has_vnni())
        return usable;
    if (vnni_kernels() != nullptr)
        usable.push_back({"vnni", vnni_kernels()});
    if (amx_kernels() != nullptr && has_tiles())
        usable.push_back({"amx", amx_kernels()});
    return usable;
}

} // namespace clip::cpu
