// SPDX-License-Identifier: MIT
// Draws one of each kind of picture, for tests/parity/draw.py and to be looked at:
//   clip_draw_driver FOLDER [PICTURE...]
// writes confusion-N.svg and .png, curve.svg and .png, and of the PICTUREs sheet.html and .png.
// What cannot be written is named on standard error, and the others go on.
#include <cmath>
#include <cstddef>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "draw/contact_sheet.hpp"
#include "draw/plot.hpp"

namespace {

/// A table with mistakes near the diagonal, and a class without inputs. The first labels are long,
/// hostile and not Latin.
clip::ConfusionPlot table(std::size_t classes) {
    clip::ConfusionPlot plot;
    plot.title = std::to_string(classes) + " classes & <more>";
    plot.counts.resize(classes * classes);
    for (std::size_t i = 0; i < classes; ++i) {
        plot.labels.push_back("class " + std::to_string(i));
        if (i == 3)
            continue;
        plot.counts[i * classes + i] = 30 + i % 20;
        for (std::size_t k = 1; k < 20; ++k)
            plot.counts[i * classes + (i + k * k * (i % 7)) % classes] += 20 / k;
    }
    const char* labels[] = {"</text>\"&'", "caf\xc3\xa9 d\xc3\xa9j\xc3\xa0 vu", "\xe7\x8c\xab",
                            "nothing here", "a photograph of a class with a very long name"};
    for (std::size_t i = 0; i < classes && i < 5; ++i)
        plot.labels[i] = labels[i];
    return plot;
}

clip::CurvePlot curves() {
    clip::CurvePlot plot{"Few-shot linear probe", "examples a class", "accuracy", true, {}};
    for (int i = 0; i < 3; ++i) {
        clip::Curve curve{"model " + std::to_string(i), {}, false};
        for (const double x : {1.0, 2.0, 4.0, 8.0, 16.0}) {
            const double y = 0.4 + 0.1 * std::log2(x) - 0.05 * i;
            curve.points.push_back({x, y, y - 0.03, y + 0.02});
        }
        plot.curves.push_back(curve);
    }
    plot.curves.push_back({"zero-shot", {{0.0, 0.63, 0.61, 0.65}}, true});
    return plot;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2)
        return 2;
    const std::string folder = std::string(argv[1]) + "/";
    int status = 0;
    const auto attempt = [&status](const std::function<void()>& write) {
        try {
            write();
        } catch (const clip::Error& error) {
            std::cerr << error.what() << '\n';
            status = 1;
        }
    };
    for (const char* ending : {".svg", ".png"}) {
        for (const std::size_t classes : {0, 1, 2, 10, 30, 100, 300, 1000, 2500})
            attempt([&] {
                clip::write_confusion_plot(folder + "confusion-" + std::to_string(classes) + ending,
                                           table(classes));
            });
        attempt([&] { clip::write_curve_plot(folder + "curve" + ending, curves()); });
    }
    clip::SheetQuery pictures{"pictures of <anything> & all", false, {}};
    for (int i = 2; i < argc; ++i)
        pictures.hits.push_back({argv[i], false, i - 1, 1.0 / i});
    std::vector<clip::SheetQuery> queries{pictures, {"captions", false, {}}};
    queries[1].hits.push_back({"A caption that goes on: two dogs run along the beach, behind them "
                               "the sea, and above it a sky of clouds like sheep.",
                               true, 1, 0.3});
    queries[1].hits.push_back({"</div><script>alert(1)</script>", true, 2, 1e-7});
    if (argc > 2)
        queries.push_back({argv[2], true, {}});
    clip::ThreadPool pool(0);
    for (const char* ending : {".html", ".png"})
        attempt([&] { clip::write_contact_sheet(folder + "sheet" + ending, queries, {}, pool); });
    return status;
}
