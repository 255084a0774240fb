// SPDX-License-Identifier: MIT
#include "app/embedding_space.hpp"

#include "app/classifier_file.hpp"
#include "app/classifier_source.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::app {

void EmbeddingSpace::meet(const std::string& name, const std::string& model,
                          std::string_view settings, std::int64_t dim) {
    if (!model.empty() && model_.empty()) {
        model_ = model;
        model_name_ = name;
    } else if (!model.empty() && model != model_) {
        fail_models(name, model, model_name_, model_);
    }
    const std::string other = other_layer(settings);
    const std::string layer = other.empty() ? "projected" : other;
    if (layer_.empty()) {
        layer_ = layer;
        layer_name_ = name;
    } else if (layer != layer_) {
        fail(ErrorCode::version_mismatch,
             concat("compare embeddings of two layers: ", name, " is of the layer ", layer, ", ",
                    layer_name_, " of ", layer_));
    }
    if (dim_ == 0) {
        dim_ = dim;
        dim_name_ = name;
    } else if (dim != dim_) {
        fail(ErrorCode::shape_mismatch, concat("the embedding has ", dim, " values (want ", dim_,
                                               ", as ", dim_name_, " has)"));
    }
    settings_.meet(name, settings);
}

void EmbeddingSpace::meet(const std::string& name, const io::EmbeddingHeader& header) {
    meet(name, header.model, header.settings, header.dim);
    if (!logit_scale_)
        logit_scale_ = header.logit_scale;
}

} // namespace clip::app
