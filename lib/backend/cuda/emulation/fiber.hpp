// SPDX-License-Identifier: MIT
// Threads that are switched by hand: one stack each, no system calls. An emulated GPU thread is
// one.
#pragma once

#include <cstddef>
#include <functional>

namespace clip::cuda::emulation {

class Fiber;
void enter_fiber(Fiber* self);

/// A stack with a guard page below it, used by one fiber after the other.
class FiberStack {
  public:
    FiberStack();
    ~FiberStack();
    FiberStack(const FiberStack&) = delete;
    FiberStack& operator=(const FiberStack&) = delete;
    std::byte* bottom() const { return bottom_; }
    static std::size_t size();
    bool in_use = false; ///< by a fiber that has not ended, or never will

  private:
    std::byte* mapping_ = nullptr;
    std::byte* bottom_ = nullptr;
};

/// Runs a body on a stack of its own, piece by piece. resume() is called from outside, pause() from
/// inside. A fiber that is never resumed again is simply forgotten: what lies on its stack is not
/// destroyed, so bodies keep nothing there that owns anything.
class Fiber {
  public:
    /// The body must not throw. Both arguments must outlive the fiber.
    void start(FiberStack& stack, const std::function<void()>& body);
    /// Goes on with the body until it pauses or ends.
    void resume();
    /// Goes back to whoever resumed.
    void pause();
    bool done() const { return done_; }

  private:
    friend void enter_fiber(Fiber* self);

    const std::function<void()>* body_ = nullptr;
    FiberStack* stack_ = nullptr;
    void* own_ = nullptr;    ///< saved stack pointer while it is paused
    void* caller_ = nullptr; ///< saved stack pointer of resume()
    // What AddressSanitizer wants to know of stacks.
    void* fake_stack_ = nullptr;
    const void* caller_bottom_ = nullptr;
    std::size_t caller_size_ = 0;
    bool done_ = true;
};

} // namespace clip::cuda::emulation
