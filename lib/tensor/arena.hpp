// SPDX-License-Identifier: MIT
// Memory for the activations of a training step: taken in order, given back in the reverse order,
// all of it used again in the next step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/tensor.hpp"

namespace clip {

/// A stack of tensors. The first step asks the system for blocks as it needs them; when everything
/// has been given back the blocks become one of the size that was needed, so that later steps of
/// the same size allocate nothing. Used by one thread.
class Arena {
  public:
    /// A height of the stack.
    struct Mark {
        std::size_t block = 0, used = 0;
        std::int64_t total = 0;
    };

    /// Tensors live in `memory`, which outlives the arena.
    explicit Arena(Memory& memory = host_memory()) : memory_(memory) {}

    Memory& memory() const { return memory_; }
    /// A tensor of undefined content, aligned to alignment(); valid until the stack is rewound to a
    /// mark from before. Errors: out_of_memory.
    MutView take(const Shape& shape, DType dtype = DType::f32);
    /// Bytes that tensors begin at multiples of, and take: 64, on devices 256.
    static constexpr std::int64_t alignment(bool on_host) { return on_host ? 64 : 256; }

    Mark mark() const { return {block_, used_, total_}; }
    /// Gives back everything taken after `mark`. Marks are rewound to in the reverse order.
    void rewind(const Mark& mark);

    /// Bytes that are taken now, and the most there were since the last reset_peak().
    std::int64_t bytes() const { return total_; }
    std::int64_t peak_bytes() const { return peak_; }
    void reset_peak() { peak_ = total_; }

  private:
    Memory& memory_;
    std::vector<Buffer> blocks_;
    std::size_t block_ = 0; ///< the block that is taken from
    std::size_t used_ = 0;  ///< bytes of it
    std::int64_t total_ = 0, peak_ = 0;
};

} // namespace clip
