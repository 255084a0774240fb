// SPDX-License-Identifier: MIT
// Batches of pictures and texts to vectors. One broken input never shifts or stops the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/input_source.hpp"
#include "app/model_session.hpp"
#include "app/parts_that_fit.hpp"
#include "app/picture_batch.hpp"
#include "base/error.hpp"
#include "data/image_decode.hpp"
#include "data/preprocess.hpp"

namespace clip::app {

/// What a command line says about preparing pictures.
struct PictureSettings {
    std::string crop = "center";      ///< center or none
    std::string orientation = "exif"; ///< exif or ignore
    std::string grey16 = "clip";      ///< clip or scale
    /// Pixels of the largest picture that is decoded; 0: no limit.
    std::int64_t max_pixels = DecodeOptions{}.max_pixels;
};

/// The options of preprocess() for a model. Errors: invalid_argument (an unknown word).
PreprocessOptions preprocess_options(const PictureSettings& settings, const ModelConfig& config);

struct EncoderOptions {
    PictureSettings pictures;
    Layer layer = Layer::projected;
    bool normalize = true;
};

/// The vector of one input, or why there is none.
struct Encoded {
    std::vector<float> values; ///< (dim)
    std::optional<Error> error;
};

class Encoder {
  public:
    /// All arguments must outlive this.
    Encoder(ModelSession& session, Reporter& reporter, EncoderOptions options);

    /// Encodes inputs of both kinds, in order; `out` has as many elements as `inputs`. Pictures are
    /// decoded on all threads; memory is that of one batch of pixels and one decoded picture a
    /// thread (for a device PictureBatch holds some more of these, and no batch of pixels). Inputs
    /// with an error of their own must not be among them.
    /// Errors: only what makes all further work pointless; what is wrong with one input is in
    /// `out`.
    void encode(std::span<const Input* const> inputs, std::vector<Encoded>& out);

    /// Elements of a vector.
    std::int64_t dim(bool text) const { return session_.model().dim(options_.layer, text); }

    /// Inputs that are best encoded together.
    std::size_t batch_size(bool text) const;

  private:
    /// Smaller parts where a device has no room for all; of the host's memory nothing is known.
    void in_parts(PartsThatFit& parts, std::size_t count, std::string_view what,
                  const std::function<void(std::size_t, std::size_t)>& run);
    void encode_on_device(std::span<const Input* const> inputs, std::span<Encoded* const> out);
    void encode_pictures(std::span<const Input* const> inputs, std::span<Encoded* const> out);
    void encode_texts(std::span<const Input* const> inputs, std::span<Encoded* const> out);
    void hand_out(std::span<float> vectors, std::int64_t dim, std::span<Encoded* const> out);

    ModelSession& session_;
    Reporter& reporter_;
    EncoderOptions options_;
    PreprocessOptions preprocess_;
    DecodeOptions decode_;
    std::optional<PictureBatch> batch_; ///< on a device
    std::vector<float> pixels_;
    std::vector<float> vectors_;
    PartsThatFit picture_parts_, text_parts_;
    bool told_ = false;
};

/// Asks the system to read the pictures of `inputs` from disk while something else is computed.
void read_ahead(std::span<const Input> inputs);

} // namespace clip::app
