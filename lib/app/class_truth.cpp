// SPDX-License-Identifier: MIT
#include "app/class_truth.hpp"

#include "base/concat.hpp"

namespace clip::app {

ClassTruth::ClassTruth(const std::string& source, bool several,
                       const std::vector<std::string>& labels)
    : source_(source), several_(several), truth_(source, several) {
    for (std::size_t c = 0; c < labels.size(); ++c)
        index_.emplace(labels[c], c);
}

std::optional<Error> ClassTruth::classes_of(const Input& input,
                                            std::vector<std::size_t>& classes) const {
    classes.clear();
    const std::optional<std::vector<std::string>> labels = truth_.all_of(input);
    if (!labels)
        return Error(ErrorCode::not_found,
                     source_ == "folder" ? "no truth: it lies in no folder that has a name"
                                         : concat("no truth: ", source_, " does not name it"));
    for (const std::string& label : *labels) {
        const auto found = index_.find(label);
        if (found == index_.end())
            return Error(ErrorCode::not_found, concat("no truth: '", label, "' is none of the ",
                                                      index_.size(), " classes"));
        classes.push_back(found->second);
    }
    expect(several_ || classes.size() == 1, "one label an input");
    return std::nullopt;
}

} // namespace clip::app
