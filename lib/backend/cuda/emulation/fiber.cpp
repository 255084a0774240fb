// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/fiber.hpp"

#include <cstdint>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "the emulation switches stacks by hand: x86-64 and AArch64 only"
#endif

// clip_switch_stack(save, load): pushes what a callee must keep, writes the stack pointer to *save,
// takes `load` for it and pops the same from there. Written by hand because swapcontext() makes a
// system call a switch, which is thirty times dearer.
#if defined(__x86_64__)
asm(R"(
.text
.globl clip_switch_stack
.hidden clip_switch_stack
.type clip_switch_stack, @function
clip_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    retq
.size clip_switch_stack, .-clip_switch_stack
.globl clip_first_switch
.hidden clip_first_switch
.type clip_first_switch, @function
clip_first_switch:
    movq %r12, %rdi
    callq *%r13
    ud2
.size clip_first_switch, .-clip_first_switch
)");
#else
asm(R"(
.text
.globl clip_switch_stack
.hidden clip_switch_stack
.type clip_switch_stack, %function
clip_switch_stack:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size clip_switch_stack, .-clip_switch_stack
.globl clip_first_switch
.hidden clip_first_switch
.type clip_first_switch, %function
clip_first_switch:
    mov x0, x19
    blr x20
    brk #1
.size clip_first_switch, .-clip_first_switch
)");
#endif

extern "C" {
void clip_switch_stack(void** save, void* load);
void clip_first_switch();
}

namespace clip::cuda::emulation {

namespace {

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

} // namespace

std::size_t FiberStack::size() {
#if defined(__SANITIZE_ADDRESS__)
    return std::size_t{512} << 10; // frames are several times as large
#else
    return std::size_t{128} << 10;
#endif
}

FiberStack::FiberStack() {
    void* mapping = ::mmap(nullptr, size() + page_size(), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        throw std::bad_alloc();
    mapping_ = static_cast<std::byte*>(mapping);
    ::mprotect(mapping_, page_size(), PROT_NONE);
    bottom_ = mapping_ + page_size();
}

FiberStack::~FiberStack() {
    ::munmap(mapping_, size() + page_size());
}

void Fiber::start(FiberStack& stack, const std::function<void()>& body) {
    body_ = &body;
    stack_ = &stack;
    done_ = false;
    fake_stack_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    if (stack.in_use) // what a forgotten fiber has left there
        __asan_unpoison_memory_region(stack.bottom(), FiberStack::size());
#endif
    stack.in_use = true;
    // What clip_switch_stack would have left there, with the fiber and its entry in two registers
    // that are kept, and clip_first_switch to return to.
    auto* top = reinterpret_cast<void**>(stack.bottom() + FiberStack::size());
#if defined(__x86_64__)
    top -= 2; // keeps the alignment that a call expects
    *--top = reinterpret_cast<void*>(&clip_first_switch);
    *--top = nullptr;                               // rbp
    *--top = nullptr;                               // rbx
    *--top = this;                                  // r12
    *--top = reinterpret_cast<void*>(&enter_fiber); // r13
    *--top = nullptr;                               // r14
    *--top = nullptr;                               // r15
#else
    top -= 20;
    for (int i = 0; i < 20; ++i)
        top[i] = nullptr;
    top[0] = this;                                         // x19
    top[1] = reinterpret_cast<void*>(&enter_fiber);        // x20
    top[11] = reinterpret_cast<void*>(&clip_first_switch); // x30
#endif
    own_ = top;
}

/// Where a fiber begins, on its own stack.
void enter_fiber(Fiber* self) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &self->caller_bottom_, &self->caller_size_);
#endif
    (*self->body_)();
    self->done_ = true;
    self->stack_->in_use = false;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(nullptr, self->caller_bottom_, self->caller_size_);
#endif
    clip_switch_stack(&self->own_, self->caller_);
}

void Fiber::resume() {
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, stack_->bottom(), FiberStack::size());
    clip_switch_stack(&caller_, own_);
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#else
    clip_switch_stack(&caller_, own_);
#endif
}

void Fiber::pause() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack_, caller_bottom_, caller_size_);
    clip_switch_stack(&own_, caller_);
    __sanitizer_finish_switch_fiber(fake_stack_, &caller_bottom_, &caller_size_);
#else
    clip_switch_stack(&own_, caller_);
#endif
}

} // namespace clip::cuda::emulation
