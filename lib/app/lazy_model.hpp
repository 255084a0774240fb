// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"

namespace clip::app {

/// A model that is opened when it is first needed: never, where all inputs are embeddings.
class LazyModel {
  public:
    /// All arguments must outlive this.
    LazyModel(const ModelSettings& settings, const PictureSettings& pictures,
              const Environment& environment, Machine& machine, Reporter& reporter)
        : settings_(settings), pictures_(pictures), environment_(environment), machine_(machine),
          reporter_(reporter) {}

    /// Errors of both: those of ModelSession.
    ModelSession& session() {
        if (!session_)
            session_.emplace(settings_, environment_, machine_, reporter_);
        return *session_;
    }
    /// Gives projected vectors of length 1.
    Encoder& encoder() {
        if (!encoder_)
            encoder_.emplace(session(), reporter_, EncoderOptions{.pictures = pictures_});
        return *encoder_;
    }
    Machine& machine() { return machine_; }

  private:
    const ModelSettings& settings_;
    const PictureSettings& pictures_;
    const Environment& environment_;
    Machine& machine_;
    Reporter& reporter_;
    std::optional<ModelSession> session_;
    std::optional<Encoder> encoder_;
};

} // namespace clip::app
