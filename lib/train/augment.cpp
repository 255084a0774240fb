// SPDX-License-Identifier: MIT
#include "train/augment.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "train/augment_layer.hpp"
#include "train/augment_plan.hpp"

namespace clip::train {

namespace {

constexpr std::array<double, 3> kLuma = {0.299, 0.587, 0.114};
constexpr float kFaint = 1e-6F; // an alpha by which no colour is divided

using Matrix = std::array<std::array<double, 3>, 3>;

Matrix product(const Matrix& a, const Matrix& b) {
    Matrix out{};
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j)
            for (std::size_t k = 0; k < 3; ++k)
                out[i][j] += a[i][k] * b[k][j];
    return out;
}

/// Towards or away from grey of the same luma.
Matrix saturation_matrix(double factor) {
    Matrix out{};
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j)
            out[i][j] = (1.0 - factor) * kLuma[j] + (i == j ? factor : 0.0);
    return out;
}

/// A rotation about the axis of greys (Rodrigues): a third of a turn makes red green.
Matrix hue_matrix(double angle) {
    const double cosine = exact_cos(angle);
    const double all = (1.0 - cosine) / 3.0;
    const double cross = exact_sin(angle) / std::sqrt(3.0);
    return {{{cosine + all, all - cross, all + cross},
             {all + cross, cosine + all, all - cross},
             {all - cross, all + cross, cosine + all}}};
}

/// The mean luma of what can be seen of a layer.
double mean_luma(const std::vector<float>& layer) {
    double sums[4] = {};
    for (std::size_t i = 0; i < layer.size(); i += 4)
        for (std::size_t c = 0; c < 4; ++c)
            sums[c] += layer[i + c];
    if (sums[3] <= 0.0)
        return 0.0;
    return (kLuma[0] * sums[0] + kLuma[1] * sums[1] + kLuma[2] * sums[2]) / sums[3];
}

/// Brightness, contrast, saturation and hue in one: each is linear but for the grey that contrast
/// adds, which the others leave as it is. Colours are held in [0, alpha] once, at the end.
void change_colours(std::vector<float>& layer, const AugmentPlan& plan) {
    if (plan.brightness == 1.0 && plan.contrast == 1.0 && plan.saturation == 1.0 && plan.hue == 0.0)
        return;
    const Matrix matrix = product(hue_matrix(plan.hue), saturation_matrix(plan.saturation));
    float weights[3][3];
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j)
            weights[i][j] = static_cast<float>(matrix[i][j] * plan.brightness * plan.contrast);
    double grey = 0.0;
    if (plan.contrast != 1.0)
        grey = (1.0 - plan.contrast) * plan.brightness * mean_luma(layer);
    const auto added = static_cast<float>(grey);
    for (std::size_t i = 0; i < layer.size(); i += 4) {
        float* pixel = layer.data() + i;
        const float red = pixel[0], green = pixel[1], blue = pixel[2], alpha = pixel[3];
        for (std::size_t c = 0; c < 3; ++c) {
            const float value =
                weights[c][0] * red + weights[c][1] * green + weights[c][2] * blue + added * alpha;
            pixel[c] = std::clamp(value, 0.0F, alpha);
        }
    }
}

/// Puts the layer on the plan's background.
void composite(std::vector<float>& layer, const AugmentPlan& plan, int n) {
    // From 0 in one corner to 1 in the opposite one.
    const double length = std::fabs(plan.direction_x) + std::fabs(plan.direction_y);
    const double step_x = plan.direction_x / length, step_y = plan.direction_y / length;
    float* pixel = layer.data();
    for (int y = 0; y < n; ++y)
        for (int x = 0; x < n; ++x, pixel += 4) {
            const auto t = static_cast<float>(0.5 + ((x + 0.5) / n - 0.5) * step_x +
                                              ((y + 0.5) / n - 0.5) * step_y);
            const float seen = 1.0F - pixel[3];
            for (std::size_t c = 0; c < 3; ++c)
                pixel[c] += seen * (plan.from[c] + t * (plan.to[c] - plan.from[c]));
        }
}

void drop_alpha(std::vector<float>& layer) {
    for (std::size_t i = 0; i < layer.size(); i += 4) {
        const float alpha = layer[i + 3];
        if (alpha == 1.0F)
            continue;
        for (std::size_t c = 0; c < 3; ++c)
            layer[i + c] = alpha > kFaint ? layer[i + c] / alpha : 0.0F;
    }
}

/// Fills the plan's rectangle with the mean, which is 0 once normalised.
void erase(const Box& box, int n, float* out) {
    const auto bounds = [n](double begin, double length) {
        const auto first = static_cast<int>(std::lround(begin * n));
        const auto last = static_cast<int>(std::lround((begin + length) * n));
        return std::array<int, 2>{std::clamp(first, 0, n), std::clamp(last, 0, n)};
    };
    const auto [left, right] = bounds(box.x, box.width);
    const auto [top, bottom] = bounds(box.y, box.height);
    for (int c = 0; c < 3; ++c)
        for (int y = top; y < bottom; ++y)
            for (int x = left; x < right; ++x)
                out[(static_cast<std::size_t>(c) * static_cast<std::size_t>(n) +
                     static_cast<std::size_t>(y)) *
                        static_cast<std::size_t>(n) +
                    static_cast<std::size_t>(x)] = 0.0F;
}

} // namespace

void augment(const Image& image, const PreprocessOptions& preprocess, const AugmentOptions& options,
             const AugmentPlace& place, float* out) {
    check_augment(options);
    const int n = preprocess.size;
    if (n < 1 || n > 4096)
        fail(ErrorCode::invalid_argument,
             concat("augment picture: size out of range (got ", n, ", want 1 to 4096)"));
    if (image.width < 1 || image.height < 1 ||
        image.pixels.size() != image.row_bytes() * static_cast<std::size_t>(image.height))
        fail(ErrorCode::invalid_argument, "augment picture: it has no pixels, or not as many as "
                                          "its width and height say");
    const SmoothPicture picture(image, preprocess.scale_grey16);
    const int orientation = preprocess.orientation == Orientation::exif ? image.orientation : 1;
    const bool swapped = orientation >= 5 && orientation <= 8;
    const AugmentPlan plan = draw_plan(options, place, swapped ? image.height : image.width,
                                       swapped ? image.width : image.height, picture.transparent());

    std::vector<float> layer = draw_layer(picture, orientation, plan, n);
    change_colours(layer, plan);
    if (plan.composite)
        composite(layer, plan, n);
    else
        drop_alpha(layer);

    const std::size_t count = layer.size() / 4;
    for (std::size_t c = 0; c < 3; ++c) {
        const float mean = preprocess.mean[c], std = preprocess.std[c];
        float* plane = out + c * count;
        for (std::size_t i = 0; i < count; ++i)
            plane[i] = (std::min(layer[4 * i + c], 1.0F) - mean) / std;
    }
    if (plan.erase)
        erase(plan.erased, n, out);
}

} // namespace clip::train
