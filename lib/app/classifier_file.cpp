// SPDX-License-Identifier: MIT
#include "app/classifier_file.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/concat.hpp"
#include "io/embedding_reader.hpp"

namespace clip::app {

void normalize_given(float* row, std::int64_t dim) {
    // What float32 rounding leaves of length 1; float16 vectors are further off.
    constexpr double kLengthOne = 1e-5;
    double sum = 0;
    for (std::int64_t i = 0; i < dim; ++i)
        sum += static_cast<double>(row[i]) * row[i];
    if (sum == 0 || std::abs(sum - 1) <= kLengthOne)
        return;
    const double scale = 1 / std::sqrt(sum);
    for (std::int64_t i = 0; i < dim; ++i)
        row[i] = static_cast<float>(row[i] * scale);
}

void save_classifier(const std::string& path, const Classifier& classifier,
                     const std::string& tool) {
    const auto writer = io::create_embedding_file(path, io::EmbeddingFormat::h5,
                                                  {.model = classifier.model,
                                                   .normalized = true,
                                                   .logit_scale = classifier.logit_scale,
                                                   .dim = classifier.dim,
                                                   .store = DType::f32,
                                                   .tool = tool,
                                                   .settings = "classifier"});
    for (std::size_t c = 0; c < classifier.labels.size(); ++c) {
        const auto row =
            classifier.weights.begin() + static_cast<std::ptrdiff_t>(c) * classifier.dim;
        writer->append({.item = classifier.labels[c],
                        .is_text = true,
                        .values = std::vector<float>(row, row + classifier.dim)});
    }
    writer->finish();
}

Classifier load_classifier(const std::string& path) {
    const io::EmbeddingReader reader = io::EmbeddingReader::open(path);
    Classifier out{.model = reader.header().model,
                   .logit_scale = reader.header().logit_scale,
                   .dim = reader.header().dim,
                   .settings = reader.header().settings};
    if (const std::string layer = other_layer(reader.header().settings); !layer.empty())
        fail(ErrorCode::bad_format,
             concat("read classifier ", path, ": its vectors are of the layer ", layer,
                    " (want projected)"));
    if (reader.rows() == 0)
        fail(ErrorCode::bad_format, concat("read classifier ", path, ": it holds no classes"));
    std::unordered_set<std::string> seen;
    for (io::EmbeddingReader::Item& item : reader.read_items(0, reader.rows())) {
        if (!item.is_text)
            fail(ErrorCode::bad_format,
                 concat("read classifier ", path, ": ", item.item, " is a picture, not a label"));
        if (!seen.insert(item.item).second)
            fail(ErrorCode::bad_format,
                 concat("read classifier ", path, ": the label '", item.item, "' is there twice"));
        out.labels.push_back(std::move(item.item));
    }
    out.weights.resize(static_cast<std::size_t>(reader.rows() * out.dim));
    reader.read_rows(0, reader.rows(), out.weights.data());
    for (std::size_t c = 0; c < out.labels.size(); ++c) {
        float* row = out.weights.data() + static_cast<std::ptrdiff_t>(c) * out.dim;
        if (std::all_of(row, row + out.dim, [](float value) { return value == 0; }))
            fail(ErrorCode::bad_format, concat("read classifier ", path, ": the vector of '",
                                               out.labels[c], "' is all zeros"));
        normalize_given(row, out.dim);
    }
    return out;
}

} // namespace clip::app
