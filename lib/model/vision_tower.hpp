// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "backend/backend.hpp"
#include "model/config.hpp"
#include "nn/parameter_source.hpp"

namespace clip {

/// The picture tower. Two kinds: VisionTransformer and ModifiedResnet.
class VisionTower {
  public:
    virtual ~VisionTower() = default;
    /// pictures (N, 3, S, S) -> pooled (N, penultimate width), both in the backend's memory. A
    /// device may remember the work by the two addresses: callers give the same ones again.
    virtual void forward(Backend& backend, ConstView pictures, MutView pooled) = 0;
    /// pooled (N, penultimate width) -> y (N, E)
    virtual void project(Backend& backend, ConstView pooled, MutView y) = 0;
    virtual std::int64_t penultimate_width() const = 0;
    /// How many pictures go through the tower together: enough rows for the kernels, few enough for
    /// the caches. No result depends on it.
    virtual std::int64_t pictures_at_once() const = 0;
};

/// The forward pass of a tower whose work is the same for the same number of pictures.
class RepeatedForward {
  public:
    RepeatedForward(Backend& backend, const void* owner) : backend_(backend), owner_(owner) {}
    ~RepeatedForward() { backend_.forget(owner_); }
    RepeatedForward(const RepeatedForward&) = delete;
    RepeatedForward& operator=(const RepeatedForward&) = delete;

    /// Runs `body`, which may allocate only where there are more pictures than ever before.
    void run(const ConstView& pictures, const MutView& pooled, const std::function<void()>& body);

  private:
    Backend& backend_;
    const void* owner_;
    std::int64_t most_ = 0;
};

/// Prepares the tower that `config` describes from the parameters below "visual.".
std::unique_ptr<VisionTower> make_vision_tower(Backend& backend, const ParameterSource& parameters,
                                               const ModelConfig& config, DType storage);

} // namespace clip
