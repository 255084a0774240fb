// SPDX-License-Identifier: MIT
// Small tensors of the host for ops whose tensors live elsewhere. On the host nothing is copied.
#pragma once

#include <optional>
#include <utility>

#include "tensor/tensor.hpp"

namespace clip {

/// What an op reads: the host's tensor itself, or a copy of it in `memory`.
class StagedInput {
  public:
    StagedInput(const ConstView& host, Memory& memory) : view_(host) {
        if (memory.device().is_cpu() || host.data == nullptr)
            return;
        copy_.emplace(to_memory(host, memory));
        view_ = std::as_const(*copy_).view();
    }
    const ConstView& view() const { return view_; }
    operator ConstView() const { return view_; }

  private:
    std::optional<Tensor> copy_;
    ConstView view_;
};

/// What an op writes, in `memory`; finish() brings it to the host. With `reads` it begins as what
/// the host has.
class StagedOutput {
  public:
    StagedOutput(const MutView& host, Memory& memory, bool reads = false)
        : host_(host), view_(host) {
        if (memory.device().is_cpu() || host.data == nullptr)
            return;
        copy_.emplace(host.shape, host.dtype, memory);
        view_ = copy_->view();
        if (reads)
            memory.upload(view_.data, host.data, host.bytes());
    }
    const MutView& view() const { return view_; }
    operator MutView() const { return view_; }
    void finish() const {
        if (copy_)
            copy_->memory().download(host_.data, view_.data, host_.bytes());
    }

  private:
    std::optional<Tensor> copy_;
    MutView host_, view_;
};

/// What an op has written, for the host to read and change: the tensor itself, or a copy on the
/// host, which put_back() brings to where the tensor is.
class HostCopy {
  public:
    HostCopy(const MutView& there, Memory& memory) : there_(there), memory_(memory) {
        if (!there.device.is_cpu() && there.data != nullptr)
            copy_.emplace(download(there, memory));
    }
    float* f32() { return copy_ ? copy_->f32() : there_.f32(); }
    void put_back() {
        if (copy_)
            memory_.upload(there_.data, copy_->f32(), there_.bytes());
    }

  private:
    MutView there_;
    Memory& memory_;
    std::optional<Tensor> copy_;
};

} // namespace clip
