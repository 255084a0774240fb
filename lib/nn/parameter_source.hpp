// SPDX-License-Identifier: MIT
// Where a layer gets its parameters from, without knowing of checkpoints.
#pragma once

#include <string>

#include "tensor/tensor.hpp"

namespace clip {

/// A parameter as float32 on the host: a view of mapped memory where the file holds it in that
/// form, or a copy.
struct Parameter {
    Tensor owned;   ///< empty where `view` points into the file
    ConstView view; ///< f32, the canonical shape

    Parameter() = default;
    explicit Parameter(Tensor tensor) : owned(std::move(tensor)), view(owned.view()) {}
    explicit Parameter(ConstView mapped) : view(mapped) {}
};

/// Parameters by name. Layers ask once, while they are prepared.
class ParameterSource {
  public:
    virtual ~ParameterSource() = default;
    virtual bool has(const std::string& name) const = 0;
    /// Errors: not_found; those of reading the file.
    virtual Parameter get(const std::string& name) const = 0;
    /// Says that a parameter has been converted and its pages of the file may go.
    virtual void release(const std::string& name) const = 0;
};

/// The parameters below a prefix: part(source, "visual.")["conv1.weight"].
class ParameterScope {
  public:
    ParameterScope(const ParameterSource& source, std::string prefix)
        : source_(&source), prefix_(std::move(prefix)) {}
    ParameterScope operator/(const std::string& part) const {
        return {*source_, prefix_ + part + "."};
    }
    bool has(const std::string& name) const { return source_->has(prefix_ + name); }
    Parameter get(const std::string& name) const { return source_->get(prefix_ + name); }
    void release(const std::string& name) const { source_->release(prefix_ + name); }
    /// A small parameter that is kept as it is, on the host.
    Tensor keep(const std::string& name) const;

  private:
    const ParameterSource* source_;
    std::string prefix_;
};

} // namespace clip
